/*
 * A name on a host is bytes, and need not be text. Bytes that are not UTF-8 stand in our strings as lone halves of
 * surrogate pairs (U+DC80 to U+DCFF), which no text contains; `quote` gives them back to a shell as the bytes they were.
 */

/** A sequence of UTF-8, or a single byte that is none. */
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

/** For people and JSON: what is no text is shown as U+FFFD. */
export const shown = (text: string): string => text.replace(HALF, '\ufffd');

const escaped = (byte: number): string => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;

/** As a part of a URL that leads to just these bytes. */
export const encoded = (text: string): string =>
  Array.from(text, (sign) =>
    /[\udc80-\udcff]/u.test(sign) ? escaped(sign.charCodeAt(0) - 0xdc00) : encodeURIComponent(sign),
  ).join('');

/** Is it text that everybody can see and send? */
export const isPlain = (text: string): boolean => !/[\p{Cc}\udc80-\udcff]/u.test(text);
