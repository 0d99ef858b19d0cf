/** Repeatable random choices for properties: the same seed gives the same cases on every machine. */
export interface Random {
  below: (end: number) => number;
  text: (longest?: number) => string;
}

const CHARS = Array.from('ab/.*?[]{}!-,\\$\'"() ~|^&<>;`\n\tZ09_%üé😀');

export function forAll(property: (random: Random) => void, runs = 300): void {
  let state = 20_240_504;
  // mulberry32
  const below = (end: number): number => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % end;
  };
  const text = (longest = 12): string =>
    Array.from({ length: below(longest + 1) }, () => CHARS[below(CHARS.length)] ?? '').join('');
  for (let i = 0; i < runs; i++) property({ below, text });
}
