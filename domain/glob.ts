import { RE2JS } from 're2js';

import type { ArchiveFilter } from './apps/app.js';

const REGEX = 'REGEX:';

/** A glob over a whole relative path with the meaning of Java's path matcher: `*` stays in a folder, `**` crosses. */
export function globToPattern(glob: string): string {
  let pattern = '';
  let depth = 0;
  for (let i = 0; i < glob.length; i++) {
    const c = glob.charAt(i);
    if (c === '\\') {
      const next = glob.charAt(++i);
      if (next === '') throw new Error('a backslash stands at the end');
      pattern += RE2JS.quote(next);
    } else if (c === '*') {
      if (glob.charAt(i + 1) === '*') {
        pattern += '.*';
        i++;
      } else pattern += '[^/]*';
    } else if (c === '?') pattern += '[^/]';
    else if (c === '[') {
      const end = glob.indexOf(']', i + 2);
      if (end < 0) throw new Error('a [ is not closed');
      pattern += `[${glob
        .slice(i + 1, end)
        .replace(/^!/, '^')
        .replaceAll('\\', '\\\\')}]`;
      i = end;
    } else if (c === '{') {
      if (depth++ > 0) throw new Error('groups cannot be nested');
      pattern += '(?:';
    } else if (c === '}' && depth > 0) {
      depth--;
      pattern += ')';
    } else if (c === ',' && depth > 0) pattern += '|';
    else pattern += RE2JS.quote(c);
  }
  if (depth > 0) throw new Error('a { is not closed');
  return pattern;
}

type Matcher = (path: string) => boolean;

const compile = (entry: string): Matcher => {
  // linear time, whatever the user writes
  if (entry.startsWith(REGEX)) {
    const regex = RE2JS.compile(entry.slice(REGEX.length), RE2JS.DOTALL);
    return (path) => regex.matches(path);
  }
  const glob = RE2JS.compile(globToPattern(entry), RE2JS.DOTALL);
  const below = RE2JS.compile(`${globToPattern(entry.replace(/\/+$/, ''))}/.*`, RE2JS.DOTALL);
  // an entry may name a directory and then means all below it
  return (path) => glob.matches(path) || below.matches(path);
};

/** Which relative paths are archived: excludes first, then includes (none: all). @throws Error for a bad entry */
export function compileFilter({ includes, excludes }: Pick<ArchiveFilter, 'includes' | 'excludes'>): Matcher {
  const out = excludes.map(compile);
  const isAll = includes.length === 0 || includes.includes('**/*');
  const into = isAll ? [] : includes.map(compile);
  return (path) => !out.some((matches) => matches(path)) && (isAll || into.some((matches) => matches(path)));
}
