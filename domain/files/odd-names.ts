/*
 * A name on a host is bytes, and need not be text. Inside this program, bytes that are not UTF-8 stand in strings as lone halves
 * of surrogate pairs (U+DC80 to U+DCFF), which no text contains. Messages and JSON show a form of text instead: `%XX` for each
 * such byte, and `%25` for a `%` in the same name. A name that is UTF-8 is shown as it is.
 */

const HALF = /[\udc80-\udcff]/u;
const HALVES = /[\udc80-\udcff]/gu;

const byteOf = (half: string): string => `%${(half.charCodeAt(0) - 0xdc00).toString(16).toUpperCase()}`;

/** Does the text hold bytes that are not UTF-8? */
export const isOdd = (text: string): boolean => HALF.test(text);

/** A path for messages and JSON. Each name in it is shown in its own form, as it would be without the others. */
export const shownPath = (path: string): string =>
  isOdd(path)
    ? path
        .split('/')
        .map((name) => (isOdd(name) ? shownBytes(name.replaceAll('%', '%25')) : name))
        .join('/')
    : path;

/** A sentence in which names stand: it has their odd bytes as `%XX`. */
export const shownBytes = (text: string): string => text.replace(HALVES, byteOf);
