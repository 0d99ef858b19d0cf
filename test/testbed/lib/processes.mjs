import { spawn } from 'node:child_process';
import {
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { at } from './settings.mjs';
import { sleep, until } from './run.mjs';

const read = (path) => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined; // the process has ended meanwhile
  }
};

/** Fields of /proc/PID/stat from the third on: the second may contain blanks. */
const stat = (pid) =>
  read(`/proc/${pid}/stat`)
    ?.replace(/^.*\) /s, '')
    .split(' ');

const boot = read('/proc/sys/kernel/random/boot_id')?.trim();

/** What tells this process from a later one with the same number; nothing for a zombie. */
const birth = (pid) => {
  const fields = stat(pid);
  return fields && fields[0] !== 'Z' ? `${boot} ${fields[19]}` : undefined;
};

const recordOf = (name) => at('run', `${name}.json`);

/** The recorded process, if it still lives and is the very one we started. */
export function living(name) {
  const record = read(recordOf(name));
  if (!record) return undefined;
  const { pid, born } = JSON.parse(record);
  return birth(pid) === born ? pid : undefined;
}

/** Records a process as ours, so that `down` may end it. With the flag `wx` only if the name has no record yet. */
export function adopt(name, pid, flag = 'w') {
  mkdirSync(at('run'), { recursive: true });
  writeFileSync(recordOf(name), JSON.stringify({ pid, born: birth(pid) }), { flag });
}

export const forget = (name) => rmSync(recordOf(name), { force: true });

/** Starts a program in the background, with its output in log/NAME.log; it outlives this one. */
export function launch(name, command, args, options = {}) {
  mkdirSync(at('log'), { recursive: true });
  const log = openSync(at('log', `${name}.log`), 'a', 0o600);
  const child = spawn(command, args, { cwd: '/', ...options, detached: true, stdio: ['ignore', log, log] });
  closeSync(log);
  child.on('error', () => undefined); // reported by lastWords
  if (child.pid) adopt(name, child.pid);
  child.unref();
  return child.pid;
}

/** Waits until a launched program is ready; when it dies instead, says its last words. */
export async function ready(name, probe, seconds = 30) {
  await until(
    `${name} gets ready`,
    async () => {
      if (living(name)) return probe();
      const words = read(at('log', `${name}.log`))
        ?.trim()
        .split('\n')
        .slice(-8)
        .join('\n  ');
      throw new Error(`${name} did not start; the end of its log:\n  ${words}`);
    },
    { seconds },
  );
}

const signal = (pid, name) => {
  try {
    process.kill(pid, name);
  } catch {
    // it has ended meanwhile
  }
};

/** Ends a recorded process: politely first, by force after `seconds`. */
export async function end(name, { how = 'SIGTERM', seconds = 10 } = {}) {
  const pid = living(name);
  if (pid) {
    signal(pid, how);
    await until(`${name} ends`, () => !living(name), { seconds, everyMs: 20 }).catch(() =>
      signal(pid, 'SIGKILL'),
    );
    await until(`${name} ends`, () => !living(name), { seconds: 10, everyMs: 20 });
  }
  forget(name);
}

/** The numbers of all processes on the machine. */
export const everyPid = () =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);

export const commandLine = (pid) => (read(`/proc/${pid}/cmdline`) ?? '').split('\0').join(' ').trim();

/** Ends, by force, every process for which `isOurs` answers true, also those that appear meanwhile. */
export async function endAll(what, isOurs) {
  await until(`${what} end`, async () => {
    const left = everyPid().filter((pid) => birth(pid) && isOurs(pid));
    for (const pid of left) signal(pid, 'SIGKILL');
    if (left.length > 0) await sleep(30);
    return left.length === 0;
  });
}

const processNamespace = (pid) => {
  try {
    return readlinkSync(`/proc/${pid}/ns/pid`);
  } catch {
    return undefined;
  }
};

/** The number that a process has inside the process namespace of `first`; nothing if it is not in there. */
export function numberIn(pid, first) {
  const space = processNamespace(pid);
  if (!space || space !== processNamespace(first)) return undefined;
  return /^NSpid:.*\t(\d+)$/m.exec(read(`/proc/${pid}/status`) ?? '')?.[1];
}

/** Who the process runs as. */
export const uidOf = (pid) => Number(/^Uid:\s+(\d+)/m.exec(read(`/proc/${pid}/status`) ?? '')?.[1] ?? -1);

const programOf = (pid) => {
  try {
    return readlinkSync(`/proc/${pid}/exe`).split('/').at(-1).replace(' (deleted)', '');
  } catch {
    return '';
  }
};

export function descendants(root) {
  const children = new Map();
  for (const pid of everyPid()) {
    const parent = Number(stat(pid)?.[1] ?? -1);
    children.set(parent, [...(children.get(parent) ?? []), pid]);
  }
  const found = [];
  for (let todo = [root]; todo.length > 0;) {
    const next = todo.flatMap((pid) => children.get(pid) ?? []);
    found.push(...next);
    todo = next;
  }
  return found;
}

/**
 * Kills an sshd listener together with its connections; what the users started goes on, as on a host whose sshd dies.
 * The listener is frozen first: no connection can slip in between.
 */
export async function cutSshd(name) {
  const listener = living(name);
  if (!listener) return;
  signal(listener, 'SIGSTOP');
  const connections = descendants(listener).filter((pid) => programOf(pid).startsWith('sshd'));
  for (const pid of [listener, ...connections]) signal(pid, 'SIGKILL');
  await until(`${name} ends`, () => !living(name), { everyMs: 20 });
  forget(name);
}
