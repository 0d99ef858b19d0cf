/** Macros `${Name}` and HOST_EVAL of a submission (specification: jobs §3). */

const ROUNDS = 16;

/** Strict: repeated substitution; unknown, empty, cyclic or unterminated names throw. */
export function resolveMacros(text: string, values: Readonly<Record<string, string>>): string {
  let current = text;
  for (let round = 0; round < ROUNDS; round++) {
    if (!current.includes('${')) return current;
    current = current.replace(/\$\{([^}]*)(\}?)/g, (_all, name: string, close: string) => {
      if (close === '') throw new Error('a macro is not closed with }');
      const value = Object.hasOwn(values, name) ? values[name] : undefined;
      if (value === undefined) throw new Error(`the macro \${${name}} is not known here`);
      return value;
    });
  }
  throw new Error('the macros lead round in a circle');
}

/** Lenient: one pass; what is unknown stays as written. */
export const replaceMacros = (text: string, values: Readonly<Record<string, string>>): string =>
  text.replace(/\$\{([^}]*)\}/g, (all, name: string) =>
    Object.hasOwn(values, name) ? (values[name] ?? all) : all,
  );

export interface HostEval {
  variable: string;
  fallback: string | null;
  suffix: string;
}

/** `HOST_EVAL($VAR)`, `HOST_EVAL(VAR, /default)` at the start of a directory; null where there is none. */
export function parseHostEval(text: string): HostEval | null {
  if (!text.replace(/^\/+/, '').startsWith('HOST_EVAL(')) return null;
  const match = /^\/*HOST_EVAL\(\s*\$?([A-Za-z_][A-Za-z0-9_]*)\s*(?:,\s*([^\s)]+)\s*)?\)(.*)$/s.exec(text);
  if (!match) throw new Error('HOST_EVAL must read HOST_EVAL($VAR) or HOST_EVAL($VAR, default)');
  return { variable: match[1] ?? '', fallback: match[2] ?? null, suffix: match[3] ?? '' };
}
