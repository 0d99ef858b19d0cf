import redos from 'eslint-plugin-redos';
import tseslint from 'typescript-eslint';

// run the checker in JavaScript: its ready-made programs exist for some platforms only
process.env.RECHECK_SYNC_BACKEND ??= 'pure';

export default tseslint.config(
  {
    ignores: [
      'bin/',
      'dist/',
      'node_modules/',
      'examples/',
      '**/*.mjs',
      '**/*.cjs',
      'eslint.config.js',
      'vitest.config.ts',
    ],
  },
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true } },
    plugins: { redos },
    rules: {
      // regular expressions read texts of users and of hosts: none may take more than linear time
      'redos/no-vulnerable': ['error', { timeout: 30_000, cache: true }],
      // a forgotten await in a workflow is a lost step
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowNever: true }],
      // `() => void work()` says that no result is wanted
      '@typescript-eslint/no-confusing-void-expression': 'off',
      '@typescript-eslint/no-meaningless-void-operator': 'off',
      // what changes while one waits, and what a database's driver really gives, the types do not tell
      '@typescript-eslint/no-unnecessary-condition': 'off',
      '@typescript-eslint/no-unnecessary-type-conversion': 'off',
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      'no-restricted-syntax': [
        'error',
        {
          selector: "CallExpression[callee.property.name='json'][callee.object.name='res']",
          message: 'reply.ts writes every answer',
        },
        {
          selector: "NewExpression[callee.name='RegExp'] > :not(Literal).arguments",
          message: 'only a regular expression that is written out can be checked for linear time',
        },
      ],
      'max-lines': ['error', { max: 300, skipBlankLines: false }],
    },
  },
  {
    files: ['test/**', 'bench/**'],
    rules: { 'redos/no-vulnerable': 'off', 'no-restricted-syntax': 'off' },
  },
  {
    files: ['test/**'],
    rules: {
      '@typescript-eslint/use-unknown-in-catch-callback-variable': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
    },
  },
);
