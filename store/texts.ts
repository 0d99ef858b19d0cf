/** The longest message and description (specification: jobs §10). */
const MAX = 16_384;

/** A text as a column takes it: no longer than allowed, and without NUL, which PostgreSQL refuses. */
export const clip = (text: string): string => text.replaceAll('\0', '').slice(0, MAX);

/** JSON of at most 16,384 characters: where there are more, the longest texts in it are cut, so that it stays JSON. */
export function clipJson(data: Record<string, unknown>): string {
  let cut = data;
  for (;;) {
    const json = JSON.stringify(cut);
    if (json.length <= MAX) return json;
    const texts = Object.entries(cut).filter(
      (entry): entry is [string, string] => typeof entry[1] === 'string',
    );
    const [name, text] = texts.reduce((a, b) => (b[1].length > a[1].length ? b : a), ['', '']);
    if (text === '') throw new RangeError('an event has more data than a row takes');
    // what is written as an escape counts twice or more, so that its length is not known before
    cut = { ...cut, [name]: text.slice(0, Math.floor(text.length * 0.95)) };
  }
}
