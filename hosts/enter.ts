import { randomUUID } from 'node:crypto';

import { normalizeFound } from '../domain/files/path.js';
import type { Reply } from '../domain/remote-command.js';
import { quote } from '../domain/shell.js';
import { LINKED, MISSING, rootAbove, rootedAll, type Root, type Spot } from './rooted.js';

/*
 * Every file on a host is written in this way. Other programs may write in the same directories at the same time, even as
 * the same account, so a path that was checked may lead elsewhere a moment later. Therefore the shell goes into a directory,
 * asks the kernel where it really is, and from then on uses names in that directory. Files that are unpacked or copied first
 * come into a private directory there, which holds no link, and are then moved in by a walk that follows no link either.
 */

/** The beginning of names that are reserved: users' files are neither written below such a name nor moved from it. */
const PRIVATE = '.kilim-in-';

/** A name for one use. Kilim writes no user's file under such a name. */
export const privateName = (id: string = randomUUID()): string => `${PRIVATE}${id}`;

/** `enter` and `walk` expect a path without links, as `rootedAll` gives it in `reals`. */
export const WALKING = [
  `linked() { echo "nothing is written through a link, and $1 is one" >&2; exit ${LINKED}; }`,
  `reserved() { echo "names that begin with ${PRIVATE} are kept for transfers" >&2; exit ${LINKED}; }`,
  `kept() { case "/$1" in */${PRIVATE}*) reserved ;; esac; }`,
  'walk() {',
  '  local rest name',
  '  kept "$1"',
  '  here=$1; while [ ! -d "$here" ]; do here=${here%/*}; here=${here:-/}; done',
  '  rest=${1#"$here"}; rest=${rest#/}; cd -P -- "$here" || exit',
  '  while [ -n "$rest" ]; do',
  '    really; name=${rest%%/*}; rest=${rest#"$name"}; rest=${rest#/}',
  // another job may make the same one
  '    mkdir -- "./$name" 2> /dev/null || [ -d "./$name" ] || mkdir -- "./$name" || exit',
  '    cd -P -- "./$name" || exit; here=${here%/}/$name',
  '  done',
  '}',
  'enter() { walk "$1"; really; }',
  // into a directory of the one where the shell is
  'into() { [ ! -L "./$1" ] || linked "$1"; cd -P -- "./$1" || exit; here=${here%/}/$1; really; }',
];

/** Lines that bring the shell into a directory and make it where it is missing. `here` is its real path. */
export const entering = (root: Root, path: string): string[] => [
  ...rootedAll([{ root, path }]),
  ...WALKING,
  'enter "${reals[0]}"',
];

/** Lines that make directories. */
export const making = (root: Root, dirs: readonly string[]): string[] => [
  ...rootedAll(dirs.map((path) => ({ root, path }))),
  ...WALKING,
  'for one in "${reals[@]}"; do [ -d "$one" ] || walk "$one"; done',
];

const splitPath = (path: string): { folder: string; name: string } => {
  const whole = normalizeFound(path);
  const at = whole.lastIndexOf('/');
  return { folder: whole.slice(0, Math.max(0, at)), name: whole.slice(at + 1) || '.' };
};

/** The last name of a path, as a word of the shell. */
export const nameOf = (path: string): string => quote(splitPath(path).name);

/** A path, and the directory that holds it: a file is replaced or removed by its name in that directory. */
export const withFolder = ({ root, path }: Spot): Spot[] => [
  { root, path },
  { root: rootAbove(root, path), path: splitPath(path).folder },
];

/** Lines that bring the shell into the directory that holds `path`; `name` is its name there. */
export const enteringFolder = (root: Root, path: string): string[] => [
  ...rootedAll(withFolder({ root, path })),
  ...WALKING,
  'enter "${reals[1]}"',
  `name=${nameOf(path)}; kept "$name"`,
  // of the path itself, though its last name may be a link: the link is replaced, not what it leads to
  'fence=${fences[0]}',
];

/** The same for a path that is only removed: no directory is made. */
export const enteringExisting = (root: Root, path: string): string[] => [
  ...rootedAll(withFolder({ root, path })),
  ...WALKING,
  `[ -d "\${reals[1]}" ] || exit ${MISSING}`,
  `enter "\${reals[1]}"; name=${nameOf(path)}`,
];

export const IN_THE_WAY = '[ ! -d "./$name" ] || { echo "a directory is in the way" >&2; exit 65; }';

/**
 * Lines that make a private directory in the one where the shell is, and bring the shell into the empty `tree` in it. It lies
 * on the same file system, so that moving its content in copies nothing. The end of the shell removes it.
 */
export const inPrivate = (name: string): string[] => [
  'away() { cd / && { rm -rf -- "$private" 2> /dev/null || { chmod -R u+rwx -- "$private"; rm -rf -- "$private"; }; }; }',
  `target=$here; mkdir -m 700 -- ./${name} || exit`,
  `into ${name}; private=$here; trap away EXIT`,
  'mkdir -- ./tree || exit; into tree',
];

/** Lines that remove a private directory which was left behind because its shell was killed. */
export const removingPrivate = (name: string): string[] => [
  `[ ! -d ./${name} ] || rm -rf -- ./${name} || { chmod -R u+rwx -- ./${name}; rm -rf -- ./${name}; }`,
];

const CLEANING = [
  // whether the link $1 below the tree, with the text $2, stays within the fence; `..` at the beginning of the text alone
  // goes up through real directories, anywhere else it could go up from where another link leads
  'stays() {',
  '  local rest=$2 up=0 deep=${1//[!\\/]/}; deep=$((${#deep} + below))',
  '  case "$rest" in "${fence%/}"/*) rest=${rest#"${fence%/}"/}; deep=0 ;; /*) return 1 ;; esac',
  '  while :; do case "$rest" in',
  '    ../*) up=$((up + 1)); rest=${rest#../} ;; ..) up=$((up + 1)); rest= ;;',
  '    ./*) rest=${rest#./} ;; /*) rest=${rest#/} ;; *) break ;;',
  '  esac; done',
  '  case "/$rest/" in */../*) return 1 ;; esac',
  '  [ "$up" -le "$deep" ]',
  '}',
  'clean() {',
  '  local one leads whole= below=${target#"${fence%/}"} gone=() look',
  '  below=${below//[!\\/]/}; below=${#below}; chmod u+rwx . || exit',
  `  look=(-mindepth 1 -name '${PRIVATE}*' -prune -printf '%P\\0\\0' -o)`,
  // directories are opened for reading, since a closed one could hide a link
  "  look+=(-type d '(' -perm -500 -o -exec chmod u+rx -- '{}' ';' ')' -o)",
  '  [ "$1" != fenced ] || look+=(-type l -printf \'%P\\0%l\\0\' -o)',
  // set-user-ID bits are removed, since the file would run with this account's rights; pipes and devices are left out
  "  look+=(-type l -o -type f '(' ! -perm /6000 -o -exec chmod ug-s -- '{}' + ')' -o -printf '%P\\0\\0')",
  "  while IFS= read -r -d '' one && IFS= read -r -d '' leads; do",
  '    if [ "$one" = / ]; then whole=1',
  '    elif [ -z "$leads" ] || ! stays "$one" "$leads"; then gone+=("./$one"); fi',
  '  done < <(find . "${look[@]}" && printf \'/\\0\\0\')',
  '  [ -n "$whole" ] || { echo "the files that came could not be listed" >&2; exit 1; }',
  '  [ ${#gone[@]} -gt 0 ] || return 0',
  '  for one in "${gone[@]}"; do [ -w "${one%/*}" ] || chmod u+w -- "${one%/*}" || exit; done',
  '  printf \'%s\\0\' "${gone[@]}" | xargs -0 rm -rf -- || exit',
  '  echo "kilim-left-out ${#gone[@]} $(printf \'%q \' "${gone[@]:0:3}")" >&2',
  '}',
];

/**
 * Lines that remove pipes, devices and set-user-ID bits from a private tree, and with `dropsLinks` the links that lead out of
 * `fence`. They print what was removed, which `leftOut` reads.
 */
export const cleaning = (dropsLinks: boolean): string[] => [
  ...CLEANING,
  `clean ${dropsLinks ? 'fenced' : 'all'}`,
];

export interface LeftOut {
  count: number;
  /** The first few. */
  names: string;
}

export const leftOut = ({ stderr }: Pick<Reply, 'stderr'>): LeftOut | undefined => {
  const [, count, names = ''] = /^kilim-left-out (\d+) (.*)$/m.exec(stderr) ?? [];
  return count === undefined ? undefined : { count: Number(count), names: names.trim().slice(0, 300) };
};

/** `merge` moves the content of the directory $1 into the one where the shell is, and replaces files of the same name. */
export const MERGING = [
  'shopt -s dotglob nullglob',
  'merge() {',
  '  local one name mode away=()',
  '  for one in "$1"/*; do',
  `    name=\${one##*/}; mode=; case "$name" in ${PRIVATE}*) continue ;; esac`,
  '    if [ ! -d "$one" ] || [ -L "$one" ]; then away+=("$one"); continue; fi',
  // rename needs the right to write to a directory that gets another parent
  '    [ -w "$one" ] || { mode=$(stat -c %a -- "$one") && chmod u+w -- "$one"; } || exit',
  '    if [ -e "./$name" ] || [ -L "./$name" ]; then',
  '      ( into "$name"; [ -w . ] || chmod u+w . || exit; merge "$one"; [ -z "$mode" ] || chmod "$mode" . ) || exit',
  '    elif [ -z "$mode" ]; then away+=("$one")',
  '    else mv -T -- "$one" "./$name" && ( into "$name"; chmod "$mode" . ) || exit; fi',
  '  done',
  // whole directories where nothing is in the way; a program for each file would take seconds
  '  [ ${#away[@]} -eq 0 ] || printf \'%s\\0\' "${away[@]}" | xargs -0 mv -f -t . -- || exit',
  '}',
];

const BACK = 'cd -P -- ../.. || exit; here=$target; really';

/** Lines that move the private tree to where the shell was before. */
export const movingIn: readonly string[] = [...MERGING, BACK, 'merge "$private/tree"'];

/** The same for the one regular file `file` in it, which gets the name `name`. */
export const movingFileIn: readonly string[] = [
  '[ -f ./file ] && [ ! -L ./file ] || { echo "no file came" >&2; exit 1; }',
  BACK,
  IN_THE_WAY,
  'mv -fT -- "$private/tree/file" "./$name"',
];
