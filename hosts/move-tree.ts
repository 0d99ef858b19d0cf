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
  signal: AbortSignal;
}

/**
 * Moves what is in a directory into another one of the same system. Safe to repeat: what has been moved stays.
 * @throws KilimError PATH_NOT_FOUND, HOST_*, DISK_FULL, REMOTE_ACCESS_DENIED
 */
export async function moveTree(move: MoveTree): Promise<void> {
  const { host, rootDir, fromPath, toPath, filter, signal } = move;
  await host.run(
    {
      line: [
        ...rootedAll([toPath, fromPath].map((path) => ({ rootDir, path }))),
        'target=${paths[0]} path=${paths[1]}',
        `[ -d "$path" ] || exit ${MISSING}`,
        'mkdir -p -- "$target" && cd -- "$path" || exit',
        ...(filter ? LISTED : ALL),
      ].join('\n'),
      ...(filter ? { stdin: Buffer.from(filter.map((file) => `./${file}\0`).join('')) } : {}),
      timeoutSeconds: 12 * 3600,
      parse: (reply) => {
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

const PATIENCE_SECONDS = 15;

/**
 * Returns when a directory shows so many files: a shared file system may show late what another host has written.
 * @throws KilimError PATH_NOT_FOUND when it does not within fifteen seconds; HOST_*
 */
export const awaitFiles = (
  host: Host,
  rootDir: string,
  path: string,
  expected: number,
  signal: AbortSignal,
): Promise<void> =>
  host.run(
    {
      line: [
        ...rooted(rootDir, path),
        `for ((i = 0; i < ${PATIENCE_SECONDS}; i++)); do`,
        `  seen=$(find "$path/" ! -type d -printf . 2> /dev/null); [ -d "$path" ] && [ \${#seen} -ge ${expected} ] && exit 0`,
        '  sleep 1; done',
        `echo "\${#seen} of ${expected} files are seen" >&2; exit ${MISSING}`,
      ].join('\n'),
      timeoutSeconds: 600,
      parse: (reply) => {
        if (reply.exitCode !== 0) throw fileFault(reply, path);
      },
    },
    { signal },
  );
