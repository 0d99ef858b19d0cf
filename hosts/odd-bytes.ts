/*
 * A name on a host is a sequence of bytes, which need not be text. In strings of this program, bytes that are not UTF-8 stand
 * as lone halves of surrogate pairs (U+DC80 to U+DCFF), which no text contains; `quote` and `bytesOf` give them back to a
 * host as the bytes that they were.
 */

/** A sequence of UTF-8, or a single byte that belongs to none. */
const PIECES =
  /[\x20-\x7e]+|[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}|\xed[\x80-\x9f][\x80-\xbf]|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}|\xf4[\x80-\x8f][\x80-\xbf]{2}|[^]/g;
const HALF = /[\udc80-\udcff]/gu;

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

const ONE_HALF = /([\udc80-\udcff])/u;

/** The bytes that `textOf` read. */
export const bytesOf = (text: string): Buffer =>
  ONE_HALF.test(text)
    ? Buffer.concat(
        text
          .split(ONE_HALF)
          .map((piece, i) => Buffer.from(i % 2 === 1 ? [piece.charCodeAt(0) - 0xdc00] : piece)),
      )
    : Buffer.from(text);

/** Names below a directory as programs read them with `-0` or `--null`; none of them can be taken for an option. */
export const nameList = (names: readonly string[]): Buffer =>
  bytesOf(names.map((name) => `./${name}\0`).join(''));

/** For messages and JSON: bytes that are no text are shown as U+FFFD. */
export const shown = (text: string): string => text.replace(HALF, '\ufffd');

const escaped = (byte: number): string => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;

/** As a part of a URL that leads to exactly these bytes. */
export const encoded = (text: string): string =>
  Array.from(text, (sign) =>
    /[\udc80-\udcff]/u.test(sign) ? escaped(sign.charCodeAt(0) - 0xdc00) : encodeURIComponent(sign),
  ).join('');

/** Whether it is text without control characters, which every client can show and send. */
export const isPlain = (text: string): boolean => !/[\p{Cc}\udc80-\udcff]/u.test(text);
