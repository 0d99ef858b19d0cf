/** Quotes one word for a POSIX shell. Every word that reaches a shell goes through here. */
export const quote = (word: string): string =>
  /^[A-Za-z0-9_/.:=@%+-][A-Za-z0-9_/.:=@%+,-]*$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
