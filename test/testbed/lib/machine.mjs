import { closeSync, mkdirSync, openSync, writeFileSync } from 'node:fs';
import { adopt, descendants, end, everyPid, launch, living, numberIn } from './processes.mjs';
import { run, until } from './run.mjs';
import { at } from './settings.mjs';

/**
 * A machine in a folder: a root file system entered with namespaces of its own for mounts, processes, host name and IPC.
 * All its mounts and processes vanish with its first process. Arguments: lower folder, work folder, host name, and pairs
 * of folders to show inside.
 */
const boot = `
set -eu
lower=$1 work=$2 name=$3; shift 3
root=$work/root
mount --make-rprivate /
mkdir -p "$work/upper" "$work/scratch" "$root"
mount -t overlay overlay -o "lowerdir=$lower,upperdir=$work/upper,workdir=$work/scratch" "$root"
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount -t tmpfs -o mode=755,nosuid tmpfs "$root/dev"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$root/dev/pts"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
for device in 'null 1 3' 'zero 1 5' 'full 1 7' 'random 1 8' 'urandom 1 9' 'tty 5 0' 'fuse 10 229'; do
  set -- "$@" && mknod -m 666 "$root/dev/\${device%% *}" c \${device#* }
done
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
ln -s /proc/self/fd/0 "$root/dev/stdin"
ln -s /proc/self/fd/1 "$root/dev/stdout"
ln -s /proc/self/fd/2 "$root/dev/stderr"
while [ $# -gt 0 ]; do mkdir -p "$root$2"; mount --bind "$1" "$root$2"; shift 2; done
hostname "$name"
cd "$root"
mkdir -p .outside
pivot_root . .outside
umount -l /.outside
: > /run/ready
exec /bin/bash -c 'while :; do sleep 86400 & wait; done' # reaps the orphans
`;

/** Enters the namespaces of a running machine. */
const enter = (name) => ['-t', String(living(name)), '-m', '-u', '-i', '-p', '--wd=/', '--'];

const clean = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  LANG: 'C.UTF-8',
  HOME: '/root',
};

/** Starts a machine. `files` are written into its root first: `{ path: text or { text, mode } }`. */
export async function startMachine(name, { lower, work, binds, files }) {
  for (const [path, value] of Object.entries(files)) {
    const { text, mode } = typeof value === 'string' ? { text: value, mode: 0o644 } : value;
    mkdirSync(`${work}/upper${path.replace(/\/[^/]*$/, '')}`, { recursive: true, mode: 0o755 });
    writeFileSync(`${work}/upper${path}`, text, { mode });
  }
  const args = [
    '-m',
    '-u',
    '-i',
    '-p',
    '-f',
    '--',
    'bash',
    '-c',
    boot,
    'boot',
    lower,
    work,
    name,
    ...Object.entries(binds).flat(),
  ];
  const helper = launch(name, 'unshare', args, { env: clean });
  adopt(name, await until(`${name} starts`, () => descendants(helper)[0], { seconds: 10, everyMs: 5 }));
  await until(`${name} has its own root`, async () => {
    if (!living(name)) throw new Error(`${name} did not start; see its log`);
    return (await inside(name, ['test', '-e', '/run/ready'], { mayFail: true })) !== undefined;
  });
}

/** Ends a machine with everything in it. */
export const endMachine = (name) => end(name, { how: 'SIGKILL' });

/** Runs a command inside, as root, to its end. */
export const inside = (name, command, options) =>
  run('nsenter', [...enter(name), ...command], { ...options, env: clean });

/**
 * Starts a program inside that stays in the foreground; recorded under `daemon`.
 * It becomes a child of the machine's first process: a helper that waited for it out here would stop when it is stopped,
 * and then keep the machine from ending.
 */
export async function launchInside(name, daemon, command) {
  const log = openSync(at('log', `${daemon}.log`), 'a', 0o600);
  const script = 'setsid "$@" </dev/null >&2 & echo $!';
  const options = { env: clean, errorsTo: log };
  const inner = await run('nsenter', [...enter(name), 'sh', '-c', script, 'sh', ...command], options);
  closeSync(log);
  const pid = everyPid().find((candidate) => numberIn(candidate, living(name)) === inner);
  if (!pid) throw new Error(`${daemon} ended at once; see ${at('log', `${daemon}.log`)}`);
  adopt(daemon, pid);
}
