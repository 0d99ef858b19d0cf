import type { Host } from './host.js';
import { fileFault, MISSING, rooted, rootedAll } from './rooted.js';

export interface MoveTree {
  host: Host;
  rootDir: string;
  fromPath: string;
  /** Made where it is missing; what has the same name there is replaced, directories are merged. */
  toPath: string;
  /** Files relative to fromPath; absent: everything. */
  filter?: string[];
  /** So many files must be there before anything moves: a shared file system may show them late. */
  expected?: number;
  signal: AbortSignal;
}

/** Ours: the files do not show up. */
const NOT_THERE = 75;
const PATIENCE_SECONDS = 15;

/**
 * Moves what is in a directory into another one of the same system. Safe to repeat: what has been moved stays.
 * @throws KilimError PATH_NOT_FOUND (also when fewer files than expected are seen), HOST_*, DISK_FULL, REMOTE_ACCESS_DENIED
 */
export async function moveTree(move: MoveTree): Promise<void> {
  const { host, rootDir, fromPath, toPath, filter, expected = 0, signal } = move;
  await host.run(
    {
      line: [
        ...rootedAll([toPath, fromPath].map((path) => ({ rootDir, path }))),
        'target=${paths[0]} path=${paths[1]}',
        `for ((i = 0; i < ${PATIENCE_SECONDS}; i++)); do`,
        `  [ -d "$path" ] && seen=$(find "$path/" ! -type d -printf .) && [ \${#seen} -ge ${expected} ] && break`,
        '  sleep 1; done',
        `[ -d "$path" ] || exit ${MISSING}`,
        `[ $i -lt ${PATIENCE_SECONDS} ] || { echo "\${#seen} of ${expected} files are seen" >&2; exit ${NOT_THERE}; }`,
        'mkdir -p -- "$target" && cd -- "$path" || exit',
        ...(filter ? LISTED : ALL),
      ].join('\n'),
      ...(filter ? { stdin: Buffer.from(filter.map((file) => `./${file}\0`).join('')) } : {}),
      timeoutSeconds: 12 * 3600,
      parse: (reply) => {
        if (reply.exitCode === NOT_THERE) throw fileFault({ ...reply, exitCode: MISSING }, fromPath);
        if (reply.exitCode !== 0) throw fileFault(reply, fromPath);
      },
    },
    { signal },
  );
}

// whole directories where nothing is in the way; a program for each file would take seconds
const ALL = [
  'shopt -s dotglob nullglob',
  'move() {',
  '  local one away=()',
  '  for one in "$1"/*; do',
  '    if [ -d "$one" ] && [ ! -L "$one" ] && [ -d "$2/${one##*/}" ]; then move "$one" "$2/${one##*/}" || return',
  '    else away+=("$one"); fi',
  '  done',
  '  [ ${#away[@]} -eq 0 ] || printf \'%s\\0\' "${away[@]}" | xargs -0 mv -f -t "$2" --',
  '}',
  'move . "$target"',
];

// a link costs nothing and makes the parents; another file system gets copies
const LISTED = [
  'mapfile -d \'\' -t list; put() { printf \'%s\\0\' "${list[@]}" | xargs -0 "$@"; }',
  '[ ${#list[@]} -eq 0 ] && exit 0',
  'mapfile -d \'\' -t list < <(for one in "${list[@]}"; do { [ -e "$one" ] || [ -L "$one" ]; } && printf \'%s\\0\' "$one"; done)',
  '[ ${#list[@]} -eq 0 ] && exit 0',
  '{ put cp -alf --parents -t "$target" -- 2> /dev/null || put cp -af --parents -t "$target" --; } && put rm -f --',
];

/** How many entries below a directory are no directories. */
export const countFiles = (host: Host, rootDir: string, path: string, signal: AbortSignal): Promise<number> =>
  host.run(
    {
      line: [...rooted(rootDir, path), 'find "$path/" ! -type d -printf . | wc -c'].join('\n'),
      timeoutSeconds: 600,
      parse: (reply) => {
        if (reply.exitCode !== 0) throw fileFault(reply, path);
        return Number(reply.stdout.trim());
      },
    },
    { signal },
  );
