import { setImmediate as nextTurn } from 'node:timers/promises';

import { isOdd, shownPath } from '../domain/files/odd-names.js';

/*
 * Conversions between the bytes of a name, the string that stands for it in this program (`domain/files/odd-names.ts`) and the
 * forms in which users send it. `quote` gives the string to a shell as the bytes that it was read from.
 */

/** A sequence of UTF-8, or a single byte that belongs to none. */
const PIECES =
  /[\x20-\x7e]+|[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}|\xed[\x80-\x9f][\x80-\xbf]|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}|\xf4[\x80-\x8f][\x80-\xbf]{2}|[^]/g;

/** The bytes of a name as a string. */
export function textOf(bytes: Buffer): string {
  const text = bytes.toString('utf8');
  if (!text.includes('\ufffd')) return text;
  return bytes
    .toString('latin1')
    .replace(PIECES, (piece) =>
      piece.length === 1 && piece > '\x7f'
        ? String.fromCharCode(0xdc00 + piece.charCodeAt(0))
        : Buffer.from(piece, 'latin1').toString('utf8'),
    );
}

/** The bytes of a string that `textOf` made, which `Buffer.from` would not give back. */
export function bytesOf(text: string): Buffer {
  if (!isOdd(text)) return Buffer.from(text);
  const pieces = text.split(/([\udc80-\udcff])/u);
  return Buffer.concat(
    pieces.map((piece, i) => (i % 2 ? Buffer.of(piece.charCodeAt(0) - 0xdc00) : Buffer.from(piece))),
  );
}

const NAMES_PER_TURN = 20_000;

/** Names as a list for the standard input of a command: each ends with a NUL. There may be a million. */
export async function listOfNames(names: readonly string[]): Promise<Buffer> {
  const parts: Buffer[] = [];
  for (let from = 0; from < names.length; from += NAMES_PER_TURN) {
    if (from > 0) await nextTurn();
    const some = names.slice(from, from + NAMES_PER_TURN);
    parts.push(bytesOf(some.map((name) => `./${name}\0`).join('')));
  }
  return Buffer.concat(parts);
}

/** The name that is shown as this text although it is not UTF-8; null where no name is. */
export function oddNameOf(shown: string): string | null {
  if (!/%[89a-f]/i.test(shown) || isOdd(shown)) return null;
  const bytes = shown.split(/%([0-9a-f]{2})/i);
  const name = textOf(Buffer.concat(bytes.map((piece, i) => Buffer.from(piece, i % 2 ? 'hex' : 'utf8'))));
  // anything else than the one form, as `%C3%A9` for a letter that is UTF-8, is a name of its own
  const exact = shown.replace(/%[0-9a-f]{2}/gi, (byte) => byte.toUpperCase());
  return isOdd(name) && !/[\0/]/.test(name) && shownPath(name) === exact ? name : null;
}

const escaped = (byte: number): string => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;

/** As a part of a URL that leads to exactly these bytes. */
export const encoded = (text: string): string =>
  Array.from(text, (sign) =>
    /[\udc80-\udcff]/u.test(sign) ? escaped(sign.charCodeAt(0) - 0xdc00) : encodeURIComponent(sign),
  ).join('');

/** Whether it is text without control characters, which every client can show and send. */
export const isPlain = (text: string): boolean => !/[\p{Cc}\udc80-\udcff]/u.test(text);
