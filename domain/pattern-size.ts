/**
 * How many parts an engine for regular expressions makes of a pattern: a counted repeat copies what it repeats, so that
 * a dozen characters can become a hundred thousand parts. For odd spellings the number is rather too large than too small.
 */
export function patternSize(source: string): number {
  const groups = [0];
  let last = 0; // what a repeat that follows would copy
  const add = (parts: number, copies = 0): void => {
    groups.push((groups.pop() ?? 0) + (copies || parts));
    last = parts;
  };
  for (let at = 0; at < source.length;) {
    const end = endOfItem(source, at);
    const item = source.slice(at, Math.min(end, at + LONGEST_COUNT));
    const [, least, most] = COUNTED.exec(item) ?? [];
    if (least !== undefined) {
      const times = Math.max(1, Number(least), Number(most ?? 0));
      add(last * times, last * (times - 1));
    } else if (item === '(') {
      groups.push(0);
      last = 0;
    } else if (item === ')' && groups.length > 1) add(groups.pop() ?? 0);
    else if (item.startsWith('\\Q')) add(end - at);
    else add(/^(?:\[.|\\p)/is.test(item) ? CLASS_PARTS : 1);
    at = end;
  }
  return groups.reduce((sum, parts) => sum + parts, 0);
}

/**
 * The parts that a class counts for: a class of letters of all scripts takes that much longer to compile than a
 * character.
 */
const CLASS_PARTS = 20;
const COUNTED = /^\{(\d{1,4})(?:,(\d{0,4}))?\}/;
const LONGEST_COUNT = '{1000,1000}'.length;

/** Where the item that begins here ends: a class, an escape, a quotation, a counted repeat or one character. */
function endOfItem(source: string, at: number): number {
  const ends = (close: string, from: number): number => {
    const end = source.slice(at, at + LONGEST_ITEM).indexOf(close, from);
    return end < 0 ? at + 1 : at + end + close.length;
  };
  switch (source[at]) {
    case '[': // a bracket right behind the opening one belongs to the class
      return ends(']', source[at + 1] === '^' ? 3 : 2);
    case '{':
      return at + (COUNTED.exec(source.slice(at, at + LONGEST_COUNT))?.[0].length ?? 1);
    case '\\': {
      if (source[at + 1] !== 'Q')
        return source[at + 2] === '{' && 'xpP'.includes(source[at + 1] ?? ' ') ? ends('}', 0) : at + 2;
      const end = source.indexOf('\\E', at);
      return end < 0 ? source.length : end + 2;
    }
    default:
      return at + 1;
  }
}

/**
 * The end of an item is looked for this far: else a text of opening brackets would be read to its end from each
 * bracket.
 */
const LONGEST_ITEM = 256;
