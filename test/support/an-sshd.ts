import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import net, { type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, vi } from 'vitest';

import type { Host } from '../../hosts/host.js';
import { createHosts, type Hosts, type HostsOptions } from '../../hosts/hosts.js';
import { part } from './testbed.js';

const PROCESSES = new URL('../testbed/lib/processes.mjs', import.meta.url).href;
const { descendants } = (await import(PROCESSES)) as { descendants: (pid: number) => number[] };

/** An sshd of the test's own for the account of the part `vm-ssh`, and the hosts of a program that logs in there. */
export interface OwnSshd {
  port: number;
  hosts: Hosts;
  host: (systemId?: string) => Promise<Host>;
  /** What sshd wrote so far; says who logged in, which sessions began and what was refused. */
  log: () => string;
  /** The listener and the processes of its connections. */
  pids: () => number[];
  signal: (name: 'SIGSTOP' | 'SIGCONT') => void;
}

export interface Asked {
  /** Lines of its configuration. */
  settings?: string[];
  /** Start-up files and scripts by name; they are below `$HERE` of the settings. */
  files?: Record<string, string>;
  limits?: HostsOptions['limits'];
}

/** With a `.bashrc`: the account's own home belongs to the bed, so this is another home's. */
export const atHome = (bashrc: string): Asked => ({
  settings: ['ForceCommand exec env -u SHLVL HOME=$HERE bash -c "$SSH_ORIGINAL_COMMAND"'],
  files: { '.bashrc': bashrc },
});

/** An sshd that accepts logins and never answers a command; what it starts ends with its session. */
export const HANGING: Asked = { settings: ['ForceCommand exec tail -f /dev/null --pid=$PPID'] };

/** A test that takes too long is left behind, and its sshd, perhaps frozen, with it. */
const running = new Set<() => Promise<void>>();
afterAll(() => Promise.all([...running].map((end) => end())).then(() => undefined));

/** Everything is ended and removed when `use` is over. */
export async function withSshd(
  { settings = [], files = {}, limits = {} }: Asked,
  use: (sshd: OwnSshd) => Promise<void>,
): Promise<void> {
  const bed = part('vm-ssh');
  const here = mkdtempSync(join(tmpdir(), 'kilim-sshd-'));
  chmodSync(here, 0o755);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(here, name), text, { mode: 0o755 });
  const port = await aFreePort();
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(here, 'host-key')]);
  writeFileSync(
    join(here, 'conf'),
    [
      `Port ${port}`, 'ListenAddress 127.0.0.1', `HostKey ${here}/host-key`, 'PidFile none', 'UsePAM no', 'LogLevel VERBOSE',
      `AllowUsers ${bed?.user ?? ''}`, 'PasswordAuthentication no', 'KbdInteractiveAuthentication no',
      ...settings.map((line) => line.replaceAll('$HERE', here)), '',
    ].join('\n'),
  ); // prettier-ignore
  mkdirSync('/run/sshd', { recursive: true, mode: 0o755 });
  const child = spawn('/usr/sbin/sshd', ['-D', '-e', '-f', join(here, 'conf')], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const ended = once(child, 'exit');
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
  const pids = (): number[] =>
    [child.pid ?? 0, ...descendants(child.pid ?? 0)].filter((pid) => pid > 0 && programOf(pid) === 'sshd');
  const signal = (name: NodeJS.Signals): void => pids().forEach((pid) => kill(pid, name));
  const hosts = createHosts({
    findCredential: () => Promise.resolve({ privateKey: readFileSync(bed?.privateKeyFile ?? '', 'utf8') }),
    hostKeys: { find: () => Promise.resolve(null), pin: () => Promise.resolve() },
    local: { isEnabled: false, runAs: 'nobody', home: '/nowhere' },
    limits,
  });
  const end = async (): Promise<void> => {
    hosts.close();
    const all = pids();
    kill(child.pid ?? 0, 'SIGSTOP'); // no connection slips in between
    for (const pid of [...all, ...pids()]) kill(pid, 'SIGKILL');
    await ended;
    rmSync(here, { recursive: true, force: true });
    running.delete(end);
  };
  running.add(end);
  try {
    await vi.waitFor(() => {
      if (!said.includes('Server listening')) throw new Error(`sshd does not listen: ${said}`);
    }, 10_000);
    const host = (systemId = 'own'): Promise<Host> =>
      hosts.open({ tenant: 'dev', systemId, host: '127.0.0.1', port, loginUser: bed?.user ?? '' });
    await use({ port, hosts, host, log: () => said, pids, signal });
  } finally {
    await end();
  }
}

/** By connection (its port), how many sessions were open at most; from sshd's own words. */
export function sessionsPerConnection(log: string): number[] {
  const open = new Map<string, number>();
  const most = new Map<string, number>();
  for (const [, what, port = ''] of log.matchAll(/^(Starting|Close) session: .* port (\d+) id/gm)) {
    const now = (open.get(port) ?? 0) + (what === 'Starting' ? 1 : -1);
    open.set(port, now);
    most.set(port, Math.max(most.get(port) ?? 0, now));
  }
  return [...most.values()];
}

export const count = (log: string, words: RegExp): number => [...log.matchAll(words)].length;

async function aFreePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

const programOf = (pid: number): string => {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
  } catch {
    return '';
  }
};

const kill = (pid: number, name: NodeJS.Signals): void => {
  try {
    if (pid > 0) process.kill(pid, name);
  } catch {
    // it has ended meanwhile
  }
};
