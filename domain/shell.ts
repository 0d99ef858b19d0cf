/**
 * Quotes one word for bash. Every word that reaches a shell goes through here. A lone half of a surrogate pair (U+DC80 to
 * U+DCFF) stands for a byte of a file name that is not UTF-8, and becomes that byte again.
 */
export const quote = (word: string): string =>
  /^[A-Za-z0-9_/.:=@%+-][A-Za-z0-9_/.:=@%+,-]*$/.test(word)
    ? word
    : `'${word.replaceAll("'", `'\\''`)}'`.replace(
        /[\udc80-\udcff]+/gu,
        (halves) =>
          `'$'${Array.from(halves, (half) => `\\x${half.charCodeAt(0).toString(16).slice(2)}`).join('')}''`,
      );
