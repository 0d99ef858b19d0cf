import { RE2JS } from 're2js';

import type { ArchiveFilter } from './apps/app.js';
import { withoutEndSlashes } from './files/path.js';
import { patternSize } from './pattern-size.js';

const REGEX = 'REGEX:';
/** The one glob that means "all", although Java's matcher would leave out the top level (jobs §8.2). */
const ALL = '**/*';
const SLASH = 47;

type Range = [from: number, to: number];
type Filter = Pick<ArchiveFilter, 'includes' | 'excludes'>;
type Matcher = (relativePath: string) => boolean;

/**
 * A glob over a whole relative path with the meaning of Java's path matcher: `*` and `?` stay in a folder, `**` crosses.
 * Compiled by RE2, so that no glob of a user can take more than linear time; use `.matches`.
 * @throws Error naming what is wrong
 */
export const globToRegExp = (glob: string): RE2JS => RE2JS.compile(globSource(glob), RE2JS.DOTALL);

function globSource(glob: string): string {
  const chars = Array.from(glob);
  let pattern = '';
  let isInGroup = false;
  for (let i = 0; i < chars.length; i++) {
    const c = chars[i] ?? '';
    if (c === '\\') {
      const next = chars[++i];
      if (next === undefined) throw new Error('ends in a backslash');
      pattern += RE2JS.quote(next);
    } else if (c === '*') {
      const isDouble = chars[i + 1] === '*';
      pattern += isDouble ? '.*' : '[^/]*';
      if (isDouble) i++;
    } else if (c === '?') pattern += '[^/]';
    else if (c === '[') {
      const read = readClass(chars, i + 1);
      pattern += read.pattern;
      i = read.end;
    } else if (c === '{') {
      if (isInGroup) throw new Error('has a { in a group');
      isInGroup = true;
      pattern += '(?:';
    } else if (c === '}' && isInGroup) {
      isInGroup = false;
      pattern += ')';
    } else if (c === ',' && isInGroup) pattern += '|';
    else pattern += RE2JS.quote(c);
  }
  if (isInGroup) throw new Error('has a { that is not closed');
  return pattern;
}

/** A class `[…]`; `* ? \` are plain in it, a slash is never matched. @returns the index of the closing bracket */
function readClass(chars: readonly string[], start: number): { pattern: string; end: number } {
  const isNegated = chars[start] === '!';
  const first = isNegated ? start + 1 : start;
  const end = chars.indexOf(']', first);
  if (end < 0) throw new Error('has a [ that is not closed');
  if (end === first) throw new Error('has an empty [ ]');
  const ranges: Range[] = [];
  for (let i = first; i < end; i++) {
    const from = code(chars[i]);
    if (from === SLASH) throw new Error('has a / in a [ ]');
    if (chars[i + 1] === '-' && i + 2 < end) {
      const to = code(chars[i + 2]);
      if (to < from) throw new Error('has a range in [ ] that runs backwards');
      ranges.push([from, to]);
      i += 2;
    } else ranges.push([from, from]);
  }
  return { pattern: classOf(isNegated ? [...ranges, [SLASH, SLASH]] : withoutSlash(ranges), isNegated), end };
}

const code = (char: string | undefined): number => char?.codePointAt(0) ?? 0;

const withoutSlash = (ranges: Range[]): Range[] =>
  ranges.flatMap(([from, to]): Range[] =>
    from < SLASH && to > SLASH ? [[from, SLASH - 1], [SLASH + 1, to]] : [[from, to]],
  ); // prettier-ignore

const classOf = (ranges: Range[], isNegated: boolean): string =>
  `[${isNegated ? '^' : ''}${ranges.map(([from, to]) => `${hex(from)}-${hex(to)}`).join('')}]`;

const hex = (point: number): string => `\\x{${point.toString(16)}}`;

/** The entry as a pattern of RE2 over a whole path, in which a dot is any character. @throws Error naming what is wrong */
function sourceOf(entry: string): string {
  if (entry.startsWith(REGEX)) return entry.slice(REGEX.length);
  const glob = globSource(entry);
  const folder = withoutEndSlashes(entry);
  // a wildcard at the end names files: `*` is the top level, not all that lies below it
  if (folder === '' || /[*?[\]{}]/.test(folder.slice(folder.lastIndexOf('/') + 1))) return glob;
  return `(?:${glob}|${globSource(`${folder}/**`)})`;
}

/** A filter as patterns of RE2: a path stays where a pattern of `into` matches it and no pattern of `out` does. */
export interface Patterns {
  out: readonly string[];
  into: readonly string[];
}

const ANY = '.*';

/**
 * Which paths (relative to the output directory) are archived: excludes first, then includes; no include means all.
 * An entry that names a folder means all below it (jobs §8.2).
 * @throws Error for an entry that `validateFilter` names
 */
export const patternsOf = ({ includes, excludes }: Filter): Patterns =>
  excludes.includes(ALL)
    ? { out: [ANY], into: [] }
    : {
        out: excludes.map(sourceOf),
        into: includes.length === 0 || includes.includes(ALL) ? [ANY] : includes.map(sourceOf),
      };

/** Each pattern is compiled once, however many paths there are. */
export function compilePatterns({ out, into }: Patterns): Matcher {
  const [outs, ins] = [out, into].map((sources) =>
    sources.filter((source) => source !== ANY).map((source) => RE2JS.compile(source, RE2JS.DOTALL)),
  ) as [RE2JS[], RE2JS[]];
  if (out.includes(ANY)) return () => false;
  const isAll = into.includes(ANY);
  return (path) => !outs.some((one) => one.matches(path)) && (isAll || ins.some((one) => one.matches(path)));
}

export const compileFilter = (filter: Filter): Matcher => compilePatterns(patternsOf(filter));

const MOST_ENTRIES = 200;
export const LONGEST_ENTRY = 1_024;
const MOST_PARTS = 5_000;

/** The size of the patterns together, which bounds the work for one character of a path. */
export const sizeOf = ({ out, into }: Patterns): number =>
  [...out, ...into].reduce((sum, source) => sum + patternSize(source), 0);

/**
 * A sentence for each entry that is neither a glob nor, behind `REGEX:`, a regular expression, and for a filter that is too
 * large: it is compiled in the thread that answers all requests.
 */
export function validateFilter({ includes, excludes }: Filter): { entry: string; fault: string }[] {
  const entries = [...includes, ...excludes];
  if (entries.length > MOST_ENTRIES)
    return [{ entry: entries[0] ?? '', fault: `is one of ${entries.length} entries; at most ${MOST_ENTRIES} are possible` }]; // prettier-ignore
  let parts = 0;
  return entries.flatMap((entry) => {
    if (entry.length > LONGEST_ENTRY)
      return [{ entry, fault: `must have at most ${LONGEST_ENTRY} characters` }];
    try {
      const source = sourceOf(entry);
      parts += patternSize(source);
      if (parts > MOST_PARTS)
        return [{ entry, fault: `makes the filter too large: counted repeats written out, its entries together may have at most ${MOST_PARTS} parts` }]; // prettier-ignore
      RE2JS.compile(source, RE2JS.DOTALL);
      return [];
    } catch (error) {
      return [{ entry, fault: error instanceof Error ? error.message : String(error) }];
    }
  });
}
