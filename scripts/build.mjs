// Builds dist/: the programs with tsc, then the workflows as one bundle.
import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { bundleWorkflowCode } from '@temporalio/worker';

const root = fileURLToPath(new URL('..', import.meta.url));
rmSync(`${root}/dist`, { recursive: true, force: true });
execFileSync(process.execPath, [`${root}/node_modules/typescript/bin/tsc`, '-p', `${root}/tsconfig.build.json`], { stdio: 'inherit' });

const { code } = await bundleWorkflowCode({
  workflowsPath: `${root}/dist/workflows/index.js`,
  logger: { trace() {}, debug() {}, info() {}, warn: console.error, error: console.error, log() {} },
});
// zod in the bundle multiplies the memory of every cached workflow
if (code.includes('ZodObject')) throw new Error('zod got into the workflow bundle');
if (code.length > 4_000_000) throw new Error(`the workflow bundle has ${code.length} bytes`);
writeFileSync(`${root}/dist/workflow-bundle.js`, code);
// tells the next start that nothing has to be built
writeFileSync(`${root}/dist/.built`, readFileSync(`${root}/package.json`, 'utf8'));
