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
    current = substitute(current, (name) => {
      if (name === null) throw new Error('has a macro that is not closed with }');
      if (name === '') throw new Error('has a macro without a name: ${}');
      const value = valueOf(values, name);
      if (value === undefined)
        throw new Error(`uses the macro \${${name.slice(0, 80)}}, which is not known here`);
      return value;
    });
  }
  if (current.includes('${')) throw new Error('has macros that lead round in a circle');
  return current;
}

/**
 * Replaces macros in one pass; a macro that is unknown, empty or not closed stays as written.
 * @throws Error for a text that grows too long
 */
export const replaceMacros = (text: string, values: MacroValues): string =>
  substitute(text, (name) => (name === null ? undefined : valueOf(values, name)));

/**
 * Puts values in the place of `${name}`, from left to right. The name is null where no } follows, and a macro without a value
 * stays. This is a scanner, because a pattern would look for the } of each `${` anew, up to the end of the text.
 */
function substitute(text: string, valueAt: (name: string | null) => string | undefined): string {
  const parts: string[] = [];
  let length = 0;
  let from = 0; // the text before this index has been taken
  const take = (part: string): void => {
    parts.push(part);
    length += part.length;
    if (length > LONGEST && parts.length > 1)
      throw new Error(`grows beyond ${LONGEST} characters by its macros`);
  };
  for (let open = text.indexOf('${'); open >= 0; open = text.indexOf('${', from)) {
    const close = text.indexOf('}', open);
    const value = valueAt(close < 0 ? null : text.slice(open + 2, close));
    if (close < 0) break;
    take(text.slice(from, open));
    take(value ?? text.slice(open, close + 1));
    from = close + 1;
  }
  take(text.slice(from));
  return parts.join('');
}

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
