import { RE2JS } from 're2js';

import type { ArchiveFilter } from './apps/app.js';

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
export function globToRegExp(glob: string): RE2JS {
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
  return RE2JS.compile(pattern, RE2JS.DOTALL);
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

function compile(entry: string): Matcher {
  if (entry.startsWith(REGEX)) {
    const regex = RE2JS.compile(entry.slice(REGEX.length), RE2JS.DOTALL);
    return (path) => regex.matches(path);
  }
  const glob = globToRegExp(entry);
  const folder = entry.replace(/\/+$/, '');
  // a wildcard at the end names files: `*` is the top level, not all that lies below it
  if (folder === '' || /[*?[\]{}]/.test(folder.split('/').at(-1) ?? '')) return (path) => glob.matches(path);
  const below = globToRegExp(`${folder}/**`);
  return (path) => glob.matches(path) || below.matches(path);
}

/**
 * Which paths (relative to the output directory) are archived: excludes first, then includes; no include means all.
 * An entry that names a folder means all below it (jobs §8.2).
 * @throws Error for an entry that `validateFilter` names
 */
export function compileFilter({ includes, excludes }: Filter): Matcher {
  if (excludes.includes(ALL)) return () => false;
  const out = excludes.map(compile);
  const into = includes.length === 0 || includes.includes(ALL) ? [() => true] : includes.map(compile);
  return (path) => !out.some((matches) => matches(path)) && into.some((matches) => matches(path));
}

/** A sentence for each entry that is neither a glob nor, behind `REGEX:`, a regular expression. */
export const validateFilter = ({ includes, excludes }: Filter): { entry: string; fault: string }[] =>
  [...includes, ...excludes].flatMap((entry) => {
    try {
      compile(entry);
      return [];
    } catch (error) {
      return [{ entry, fault: error instanceof Error ? error.message : String(error) }];
    }
  });
