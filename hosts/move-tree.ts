import { inPrivate, MERGING, movingIn, privateName, WALKING } from './enter.js';
import type { Host } from './host.js';
import { listOfNames } from './odd-bytes.js';
import { fileFault, MISSING, rooted, rootedAll, treeFault, type Root } from './rooted.js';
import { tolerating } from './vanished.js';

export interface MoveTree {
  host: Host;
  fromRoot: Root;
  fromPath: string;
  toRoot: Root;
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
  const { host, fromRoot, fromPath, toRoot, toPath, filter, signal } = move;
  await host.run(
    {
      line: [
        ...rootedAll([
          { root: toRoot, path: toPath },
          { root: fromRoot, path: fromPath },
        ]),
        ...WALKING,
        `here=\${reals[1]}; [ -d "$here" ] || exit ${MISSING}`,
        'cd -P -- "$here" || exit; really; exec 8< .',
        'enter "${reals[0]}"',
        ...(filter ? listed() : ALL),
      ].join('\n'),
      ...(filter ? { stdin: await listOfNames(filter) } : {}),
      timeoutSeconds: 12 * 3600,
      parse: (reply) => {
        if (reply.exitCode !== 0) throw treeFault(reply, fromPath);
      },
    },
    { signal },
  );
}

const ALL = [...MERGING, 'merge /proc/self/fd/8'];

// a link costs nothing and makes the parents; another file system gets copies
const listed = (): string[] => [
  ...inPrivate(privateName()),
  'cd -P /proc/self/fd/8 || exit',
  'mapfile -d \'\' -t list; put() { printf \'%s\\0\' "${list[@]}" | xargs -0 "$@"; }',
  '[ ${#list[@]} -eq 0 ] && exit 0',
  'mapfile -d \'\' -t list < <(for one in "${list[@]}"; do { [ -e "$one" ] || [ -L "$one" ]; } && printf \'%s\\0\' "$one"; done)',
  '[ ${#list[@]} -eq 0 ] && exit 0',
  'if ! put cp -alf --parents -t "$private/tree" -- 2> /dev/null; then',
  ...tolerating('put cp -af --parents -t "$private/tree" --'),
  'fi',
  'cd -P -- "$private/tree" || exit; here=$private/tree; really',
  ...movingIn,
  'cd -P /proc/self/fd/8 && put rm -f --',
];

/** How many entries below a directory are no directories. */
export const countFiles = (host: Host, root: Root, path: string, signal: AbortSignal): Promise<number> =>
  host.run(
    {
      line: [...rooted(root, path), 'find "$path/" ! -type d -printf . | wc -c'].join('\n'),
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
  root: Root,
  path: string,
  expected: number,
  signal: AbortSignal,
): Promise<void> =>
  host.run(
    {
      line: [
        ...rooted(root, path),
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
