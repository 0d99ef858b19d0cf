import type { Reply } from '../domain/remote-command.js';
import { goingIn, MISSING, rooted, type Root } from './rooted.js';
import { tolerating } from './vanished.js';

/* What the links of a tree lead to, as the content of an archive that knows no links. */

/** Why a link is not in the archive. */
export const LINK_FAULTS = {
  out: 'lead out of the directory that may be used',
  nowhere: 'lead nowhere',
  loop: 'lead to a directory that holds them',
  closed: 'lead to what may not be read',
  other: 'lead to what is neither a file nor a directory',
  many: 'lead to more than an archive may have',
} as const;
export type LinkFault = keyof typeof LINK_FAULTS;

/** How many of them are named. */
const NAMED = 20;
/** Files that are open at once. */
const BATCH = 100;
const TAR = 'tar --format=gnu --hard-dereference -cf -';

const TELLING = [
  'declare -A count=() first=()',
  `say() { count[$1]=$((\${count[$1]:-0} + 1)); [ \${count[$1]} -gt ${NAMED} ] || first[$1]+=" $2"; }`,
];

// a file is opened first and then looked at: what a link leads to may change at any time
const SENDING_FILES = [
  'sendFiles() {',
  '  local n now=() keep=() names=()',
  '  [ ${#fds[@]} -gt 0 ] || return 0',
  '  mapfile -d \'\' -t now < <(readlink -z -- "${fds[@]/#//proc/self/fd/}")',
  '  for n in "${!fds[@]}"; do',
  '    if [ "${now[n]}" = "${wants[n]}" ] && [ -f "/proc/self/fd/${fds[n]}" ]; then keep+=("${fds[n]}") names+=("--transform=s,^${fds[n]}\\$,k${ids[n]},")',
  '    else say nowhere "${ids[n]}"; fi',
  '  done',
  '  [ ${#keep[@]} -eq 0 ] || (',
  '    cd /proc/self/fd || exit',
  ...tolerating(`exec ${TAR} -h "\${names[@]}" -- "\${keep[@]}"`),
  '  ) || exit',
  '  for n in "${fds[@]}"; do exec {n}<&-; done',
  '  fds=() wants=() ids=()',
  '}',
];

const SENDING_DIRS = [
  '# $1 is the number of a link to the directory $2',
  'sendDir() {',
  '  local up=${links[$1]} size',
  '  case "$here/" in "${2%/}/"*) say loop "$1"; return ;; esac',
  '  while [ "${up%/*}" != "$up" ]; do up=${up%/*}; if [ "./$up" -ef "$2" ]; then say loop "$1"; return; fi; done',
  '  [ -r "$2" ] && [ -x "$2" ] || { say closed "$1"; return; }',
  `  size=$(cd -P -- "$2" && find . '(' ! -type d -o -empty ')' -printf . 2> /dev/null | head -c $((most + 1)) | wc -c)`,
  '  [ "$size" -le "$most" ] || { say many "$1"; return; }',
  '  most=$((most - size))',
  '  (',
  '    here=$2; cd -P -- "$here" || exit; really',
  ...tolerating(`${TAR} --transform="s,^\\\\.,k$1," .`),
  '  ) || exit',
  '}',
];

/**
 * A script that reads the names of links in the directory, each with a NUL behind it, and sends tar streams in which the
 * content of the link with the number 7 is called `k7` (a file), or `k7/…` (a directory). `linkFaults` reads which ones it
 * left out. No more than `most` entries are sent.
 */
export const contentsOfLinks = (root: Root, path: string, most: number): string =>
  [
    ...rooted(root, path),
    `[ -d "$path" ] || exit ${MISSING}`,
    goingIn,
    `fence=\${fences[0]} most=${most} fds=() wants=() ids=() there=()`,
    ...TELLING,
    ...SENDING_FILES,
    ...SENDING_DIRS,
    "mapfile -d '' -t links",
    'for i in "${!links[@]}"; do if [ -e "./${links[i]}" ]; then there+=("$i"); else say nowhere "$i"; fi; done',
    `mapfile -d '' -t reals < <(for i in "\${there[@]}"; do printf './%s\\0' "\${links[i]}"; done | xargs -0 -r realpath -mz --)`,
    '[ ${#reals[@]} -eq ${#there[@]} ] || { echo "its links changed while they were read" >&2; exit 1; }',
    'for n in "${!there[@]}"; do',
    '  i=${there[n]} real=${reals[n]}',
    '  case "$real/" in "${fence%/}/"*) ;; *) say out "$i"; continue ;; esac',
    '  if [ -d "$real" ]; then sendDir "$i" "$real"; continue; fi',
    '  [ -e "$real" ] || { say nowhere "$i"; continue; }',
    '  [ -f "$real" ] || { say other "$i"; continue; }',
    '  [ "$most" -gt 0 ] || { say many "$i"; continue; }',
    '  { exec {fd}< "$real"; } 2> /dev/null || { say closed "$i"; continue; }',
    '  most=$((most - 1)) fds+=("$fd") wants+=("$real") ids+=("$i")',
    `  [ \${#fds[@]} -lt ${BATCH} ] || sendFiles`,
    'done',
    'sendFiles',
    'for kind in "${!count[@]}"; do echo "kilim-links $kind ${count[$kind]}${first[$kind]}" >&2; done',
  ].join('\n');

export interface LinksLeft {
  why: LinkFault;
  count: number;
  /** The numbers of the first few. */
  first: number[];
}

const isFault = (word: string): word is LinkFault => Object.hasOwn(LINK_FAULTS, word);

/** What `contentsOfLinks` said on the standard error. */
export const linkFaults = ({ stderr }: Pick<Reply, 'stderr'>): LinksLeft[] =>
  Array.from(stderr.matchAll(/^kilim-links ([a-z]{1,9}) (\d{1,9})((?: \d{1,9}){0,20})$/gm)).flatMap(
    ([, why = '', count, first = '']) =>
      isFault(why)
        ? [{ why, count: Number(count), first: first.split(' ').filter(Boolean).map(Number) }]
        : [],
  );
