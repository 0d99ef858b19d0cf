import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { endGroup } from './supervise.js';

export interface HomeLock {
  /** Remembers a child, so that the next `up` after a crash can wait for its end. */
  addChild: (pid: number) => void;
  release: () => void;
}

interface Holder {
  pid: number;
  /** When it started, as the kernel counts: a number that was given to another process since does not fool us. */
  started: string;
  children: { pid: number; started: string }[];
}

const CHILDREN_END_MS = 15_000;

/**
 * One `up` per home. A holder that is gone is followed at once, but only when its children have ended: two engines
 * must never write one file.
 * @throws Error naming the process that holds it
 */
export async function lockHome(dir: string): Promise<HomeLock> {
  const file = join(dir, 'up.lock');
  const mine: Holder = { pid: process.pid, started: startOf(process.pid), children: [] };
  for (let attempt = 0; !create(file, mine); attempt++) {
    const holder = read(file);
    if (holder && isSame(holder))
      throw new Error(`Another kilim up (process ${holder.pid}) uses this home: ${dir}`);
    if (attempt > 5) throw new Error(`The lock ${file} cannot be taken.`);
    takeAway(file, holder);
    for (const child of holder?.children ?? []) await endOf(child);
  }
  return {
    addChild(pid) {
      mine.children = [...mine.children.filter(isSame), { pid, started: startOf(pid) }];
      try {
        writeFileSync(`${file}.new`, JSON.stringify(mine), { mode: 0o600 });
        renameSync(`${file}.new`, file);
      } catch {
        // a full disk must not end the running programs: each guard ends its program when this process is gone, and
        // the next start of a child writes the whole list again
      }
    },
    release: () => rmSync(file, { force: true }),
  };
}

function create(file: string, holder: Holder): boolean {
  try {
    writeFileSync(file, JSON.stringify(holder), { flag: 'wx', mode: 0o600 });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    rmSync(file, { force: true }); // on a full disk the file was made, but stayed empty
    throw error;
  }
}

function read(file: string): Holder | null {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Holder;
  } catch {
    return null; // half written, or just released
  }
}

/** Moves a dead holder's lock aside; of two that try, one takes the file it read, and puts back what it did not. */
function takeAway(file: string, seen: Holder | null): void {
  const aside = `${file}.${process.pid}`;
  try {
    renameSync(file, aside);
  } catch {
    return; // somebody else did
  }
  const moved = read(aside);
  if (moved && moved.pid !== seen?.pid && !existsSync(file)) renameSync(aside, file);
  else rmSync(aside, { force: true });
}

async function endOf(child: Holder['children'][number]): Promise<void> {
  for (const deadline = performance.now() + CHILDREN_END_MS; performance.now() < deadline; await sleep(50))
    if (!isSame(child)) return;
  endGroup(child.pid);
}

const isSame = ({ pid, started }: { pid: number; started: string }): boolean =>
  startOf(pid) === started && started !== '';

/** Boot and start time of a live process; empty for one that is not there. */
export function startOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // the fields after the name, which may hold blanks and brackets: state first, start time twentieth
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (fields[0] === 'Z') return '';
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()} ${fields[19]}`;
  } catch {
    return '';
  }
}
