import { shownPath } from '../domain/files/odd-names.js';
import type { Reply } from '../domain/remote-command.js';
import { textOf } from './odd-bytes.js';

/*
 * What still runs beside a copy may remove files: they are then not there to be copied, which is no fault of the copy.
 * `tar` and `cp` end with a failure all the same, as they do where a file may not be read.
 */

const SHOWN_NAMES = 3;

const SORT_OUT = [
  '/: Exiting with failure status due to (previous|delayed) errors$/ { next }',
  '/: file changed as we read it$/ { known = 1; next }',
  '/^cp: cannot .*: No such file or directory$/ { known = 1; next }',
  '/: (Cannot [a-z]+: No such file or directory|File removed before we read it)$/ {',
  `  known = 1; if (++count <= ${SHOWN_NAMES}) { sub(/^[^ ]*: /, ""); sub(/: (Cannot [a-z]+: No such|File removed).*$/, ""); names = names "/" $0 }`,
  '  next }',
  '{ print; other = 1 }',
  'END { if (count) print "kilim-gone " count " " names; exit !known || other }',
].join('\n');

/**
 * Lines that run a command of `tar` or `cp` and take it for done where all that it complains of is that files went away, or
 * changed, meanwhile; else the shell ends with its exit code. `gone` reads which files of a list were not there.
 */
export const tolerating = (command: string): string[] => [
  `{ { export LC_ALL=C; ${command}; } 2>&1 >&3 3>&- | LC_ALL=C awk '${SORT_OUT}' >&2; codes=("\${PIPESTATUS[@]}"); } 3>&1`,
  'case ${codes[*]} in "0 "*|"1 0"|"2 0") ;; *) exit "${codes[0]}" ;; esac',
];

export interface Gone {
  count: number;
  /** The first few, as the API shows them. */
  names: string;
}

export const gone = ({ stderr }: Pick<Reply, 'stderr'>): Gone | undefined => {
  const [, count, names = ''] = /^kilim-gone (\d+) \/(.*)$/m.exec(stderr) ?? [];
  if (count === undefined) return undefined;
  // each name begins with `./`, and none ends with a slash
  return { count: Number(count), names: names.split('/./').map(told).join(', ').slice(0, 300) };
};

const ESCAPES: Record<string, string> = { a: '\x07', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' };

/** A name as `tar` writes it in a message: bytes that are no letters of ASCII as `\351`. */
const told = (name: string): string => {
  const bytes = name.replace(/^\.\//, '').replace(/\\([0-7]{3}|.)/g, (_, sign: string) => (sign.length === 3 ? String.fromCharCode(parseInt(sign, 8)) : (ESCAPES[sign] ?? sign))); // prettier-ignore
  return shownPath(textOf(Buffer.from(bytes, 'latin1')));
};
