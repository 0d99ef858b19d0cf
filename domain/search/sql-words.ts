import { KilimError } from '../errors.js';

export type Word =
  | { is: 'name'; text: string; at: number }
  | { is: 'text'; text: string; at: number }
  | { is: 'number'; text: string; at: number }
  | { is: 'sign'; text: string; at: number };

/** Cuts a search text into its words. @throws KilimError INVALID_REQUEST at what is none */
export function wordsOf(text: string): Word[] {
  const words: Word[] = [];
  const scan =
    /\s*(?:([A-Za-z][A-Za-z0-9_]*)|'((?:[^']|'')*)'|([+-]?\d+(?:\.\d+)?)(?![A-Za-z0-9_.])|(<>|<=|>=|[=<>(),]))/y;
  const end = text.trimEnd().length;
  while (scan.lastIndex < end) {
    const from = scan.lastIndex;
    const match = scan.exec(text);
    if (!match)
      throw new KilimError(
        'INVALID_REQUEST',
        `search: cannot be read from here: ${JSON.stringify(text.slice(from, from + 40).trim())}`,
      );
    const [, name, quoted, number, sign] = match;
    if (name !== undefined) words.push({ is: 'name', text: name, at: from });
    else if (quoted !== undefined) words.push({ is: 'text', text: quoted.replaceAll("''", "'"), at: from });
    else if (number !== undefined) words.push({ is: 'number', text: number, at: from });
    else words.push({ is: 'sign', text: sign ?? '', at: from });
  }
  return words;
}
