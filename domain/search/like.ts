/**
 * Whether a whole text is of a pattern in which `%` is any run and `_` one character; with a backslash they are themselves.
 * All ways to read the pattern are followed at once, a bit for each: no pattern and no text takes more than linear time.
 */
export function likeMatcher(pattern: string): (text: string) => boolean {
  const { tokens, runs } = parse(pattern);
  const words = Math.floor(tokens.length / 32) + 1;
  const bitsWhere = (isSet: (i: number) => boolean, count: number): Uint32Array => {
    const bits = new Uint32Array(words);
    for (let i = 0; i < count; i++) if (isSet(i)) bits[i >>> 5] = (bits[i >>> 5] ?? 0) | (1 << (i & 31));
    return bits;
  };
  const stays = bitsWhere((i) => runs.has(i), tokens.length + 1);
  const steps = new Map<string | null, Uint32Array>();
  for (const one of [null, ...new Set(tokens)])
    steps.set(
      one,
      bitsWhere((i) => tokens[i] === null || tokens[i] === one, tokens.length),
    );
  const onAny = steps.get(null) ?? new Uint32Array(words);
  const isEnd = (reached: Uint32Array): boolean =>
    (((reached[words - 1] ?? 0) >>> (tokens.length & 31)) & 1) === 1;

  return (text) => {
    const reached = new Uint32Array(words); // bit i: the first i tokens have been read
    reached[0] = 1;
    for (const c of text) {
      const step = steps.get(c) ?? onAny;
      let carry = 0;
      let any = 0;
      for (let w = 0; w < words; w++) {
        const now = reached[w] ?? 0;
        const moved = now & (step[w] ?? 0);
        const next = (moved << 1) | carry | (now & (stays[w] ?? 0));
        carry = moved >>> 31;
        reached[w] = next;
        any |= next;
      }
      if (any === 0) return false;
    }
    return isEnd(reached);
  };
}

/** The characters to read, null for any one, and before which of them (or the end) any run may stand. */
function parse(pattern: string): { tokens: (string | null)[]; runs: Set<number> } {
  const tokens: (string | null)[] = [];
  const runs = new Set<number>();
  let isEscaped = false;
  for (const c of pattern) {
    if (isEscaped) tokens.push(c);
    else if (c === '%') runs.add(tokens.length);
    else if (c !== '\\') tokens.push(c === '_' ? null : c);
    isEscaped = c === '\\' && !isEscaped;
  }
  if (isEscaped) tokens.push('\\'); // one at the end stands for itself
  return { tokens, runs };
}
