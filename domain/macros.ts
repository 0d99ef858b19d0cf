/** Macros `${Name}` and HOST_EVAL of a submission (specification: jobs §3.2). What is refused throws an Error. */

const ROUNDS = 16;
// a macro whose value names itself several times doubles with every round
const LONGEST = 65_536;

export type MacroValues = Readonly<Record<string, string>>;

const valueOf = (values: MacroValues, name: string): string | undefined =>
  Object.hasOwn(values, name) ? values[name] : undefined;

/** Strict: repeated substitution; unknown, empty, cyclic or unterminated names throw. */
export function resolveMacros(text: string, values: MacroValues): string {
  let current = text;
  for (let round = 0; round < ROUNDS && current.includes('${'); round++) {
    current = current.replace(/\$\{([^}]*)(\}?)/g, (_all, name: string, close: string) => {
      if (close === '') throw new Error('has a macro that is not closed with }');
      if (name === '') throw new Error('has a macro without a name: ${}');
      const value = valueOf(values, name);
      if (value === undefined) throw new Error(`uses the macro \${${name}}, which is not known here`);
      return value;
    });
    if (current.length > LONGEST) throw new Error(`grows beyond ${LONGEST} characters by its macros`);
  }
  if (current.includes('${')) throw new Error('has macros that lead round in a circle');
  return current;
}

/** Lenient: one pass; what is unknown, empty or unterminated stays as written. */
export const replaceMacros = (text: string, values: MacroValues): string =>
  text.replace(/\$\{([^}]*)\}/g, (all, name: string) => valueOf(values, name) ?? all);

/** One HOST_EVAL: the variable to ask for, what stands in for an empty one, and what follows. */
export interface HostEval {
  variable: string;
  fallback: string | null;
  suffix: string;
}

const HOST_EVAL = /^\/*HOST_EVAL\(\s*\$?([A-Za-z_][A-Za-z0-9_]*)\s*(?:,\s*([^\s)]+)\s*)?\)(.*)$/s;

/** `HOST_EVAL($VAR)`, `HOST_EVAL(VAR, /default)`, each with a suffix, at the start of a value; null where there is none. */
export function parseHostEval(text: string): HostEval | null {
  if (!text.includes('HOST_EVAL(')) return null;
  if (!/^\/*HOST_EVAL\(/.test(text)) throw new Error('may have HOST_EVAL only at its start');
  const match = HOST_EVAL.exec(text);
  if (!match) throw new Error('must read HOST_EVAL($VAR) or HOST_EVAL($VAR, default)');
  const [, variable = '', fallback, suffix = ''] = match;
  if (suffix.includes('HOST_EVAL(')) throw new Error('may have HOST_EVAL only at its start');
  return { variable, fallback: fallback ?? null, suffix };
}
