import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const ROOT = new URL('../..', import.meta.url).pathname;

/** A program by itself, as an operator starts it. */
export interface Running {
  child: ChildProcess;
  said: () => string;
  ended: Promise<number | null>;
}

export function start(command: string, args: string[], env: Record<string, string | undefined>): Running {
  const child = spawn(command, args, {
    env: { ...process.env, KILIM_LOCAL_USERS: 'alice,bob', ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let text = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  return { child, said: () => text, ended };
}
export const kilim = (args: string[], env: Record<string, string | undefined>): Running =>
  start(process.execPath, [join(ROOT, 'bin/kilim'), ...args], env);

export async function until(
  what: string,
  isSo: () => Promise<boolean>,
  programs: Running[],
  seconds = 40,
): Promise<void> {
  for (const deadline = Date.now() + seconds * 1000; Date.now() < deadline; await sleep(50)) {
    if (await isSo().catch(() => false)) return;
    const gone = programs.find(({ child }) => child.exitCode !== null);
    if (gone) throw new Error(`${what}: a program ended: ${gone.said()}`);
  }
  throw new Error(
    `${what}: not within ${seconds} s. ${programs.map(({ said }) => said().slice(-800)).join('\n')}`,
  );
}
export const isOk = (url: string): Promise<boolean> => fetch(url).then(({ ok }) => ok);
