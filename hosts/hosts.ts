import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

import { KilimError } from '../domain/errors.js';
import type { Credential } from '../domain/systems/system.js';
import { createBreaker, type Breaker } from './breaker.js';
import { createGate, type Gate } from './gate.js';
import type { Host, HostAddress } from './host.js';
import { isLocal, openLocal, type LocalSettings } from './local.js';
import type { Reach } from './reach.js';
import { sshHost, type SshHost } from './ssh-host.js';
import { createPool, LIMITS, type PoolLimits, type SshPool } from './ssh-pool.js';
import {
  connectSsh,
  hasAnswered,
  isDropped,
  keyChanged,
  nameOf,
  type HostKeys,
  type SshConnection,
} from './ssh.js';

export interface HostsOptions {
  /** Injected: `hosts/` knows no store. */
  findCredential: (address: HostAddress) => Promise<Credential | null>;
  hostKeys: HostKeys;
  local: LocalSettings;
  limits?: Partial<PoolLimits>;
  /** Absent: every host may be connected to, and faults are told in full. */
  reach?: Reach;
}

export interface Hosts {
  /** Connects when the first command comes. */
  open: (address: HostAddress) => Promise<Host>;
  /** Logs in on a new connection, has a command run, and closes it again. */
  probe: (address: HostAddress) => Promise<void>;
  /** Logs in with a credential that is not registered yet. */
  check: (address: HostAddress, credential: Credential) => Promise<void>;
  sessions: () => number;
  /** Remote commands so far, over SSH. */
  commands: () => number;
  close: () => void;
}

/** What all logins to one address share. */
interface Door {
  logins: Gate;
  breaker: Breaker;
  /** When a login there last succeeded, in milliseconds of `performance.now()`. */
  letIn: number;
}

/** sshd drops connections where many log in at once (MaxStartups 10:30:100). */
const MAX_LOGINS_PER_HOST = 3;
const JITTER_MS = 100;
/** What sshd dropped is tried again after about so long, and from then on one login at a time. */
const AGAIN_MS = [100, 300, 900, 2000];
/** Who let somebody in so lately, or logs in others now, drops because of a crowd; else the host behind the port is away. */
const LATELY_MS = 5_000;

/** All hosts of a program: one connection per system and login, kept; more only where the host has no room on it. */
export function createHosts(options: HostsOptions): Hosts {
  const pools = new Map<string, Kept>();
  const doors = new Map<string, Door>();
  const { local: settings, findCredential, hostKeys } = options;
  let local: Host | null = null;
  let commands = 0;

  async function connect(
    address: HostAddress,
    credential: Credential | null,
    keys: HostKeys,
  ): Promise<SshConnection> {
    const door = doorOf(address);
    const leave = await door.logins.enter();
    const since = performance.now();
    try {
      if (door.logins.inside() > 1) await sleep(Math.random() * JITTER_MS);
      for (let tries = 0; ; tries++) {
        try {
          const connection = await connectSsh(address, credential, keys, options.reach);
          door.letIn = performance.now();
          door.breaker.heard();
          return connection;
        } catch (error) {
          const isCrowd = door.logins.inside() > 1 || performance.now() - door.letIn < LATELY_MS;
          const again = AGAIN_MS[tries];
          if (again === undefined || !isCrowd || !isDropped(error)) throw error;
          door.logins.narrow(1);
          await sleep(again * (0.5 + Math.random()));
        }
      }
    } catch (error) {
      if (!hasAnswered(error) && door.breaker.failed(error, since)) door.logins.refuse(door.breaker.refusal);
      throw error;
    } finally {
      leave();
    }
  }

  function doorOf({ host, port }: HostAddress): Door {
    const where = `${host}:${port}`;
    let door = doors.get(where);
    if (!door) {
      // a refused login does not count, because other accounts may still log in
      door = { logins: createGate(MAX_LOGINS_PER_HOST), breaker: createBreaker(['host']), letIn: -Infinity };
      doors.set(where, door);
    }
    return door;
  }

  /** Makes a pool whose connections all lead to one host, the one that its first login reached. */
  function keep(address: HostAddress, credential: Credential | null): Kept {
    const name = nameOf(address);
    let hostKey: string | null = null;
    const same = async (): Promise<SshConnection> => {
      doorOf(address).breaker.check();
      const connection = await connect(address, credential, hostKeys);
      if (isOther(hostKey, connection.hostKey)) {
        connection.close();
        throw keyChanged(name, hostKey, connection.hostKey);
      }
      hostKey = connection.hostKey;
      return connection;
    };
    const pool = createPool(name, same, { ...LIMITS, ...options.limits });
    const host = tellingWhere(sshHost(name, pool), address.systemId, () => commands++);
    const identity = async (): Promise<string> => {
      if (hostKey === null) await host.run({ line: ':', parse: () => undefined });
      return hostKey ?? name;
    };
    return { address, pool, host: { ...host, identity }, hostKey: () => hostKey };
  }

  /** Closes the connections of a system to the host that it led to before it was moved, or before its host key changed. */
  function endFormer({ tenant, systemId, host, port }: HostAddress, pinned: string | null): void {
    for (const [key, { pool, address, hostKey }] of pools) {
      if (address.tenant !== tenant || address.systemId !== systemId) continue;
      if (address.host === host && address.port === port && !isOther(hostKey(), pinned)) continue;
      pools.delete(key);
      pool.close();
    }
  }

  return {
    async open(address) {
      if (isLocal(address, settings)) return (local ??= openLocal(settings));
      const pinned = await hostKeys.find(address);
      const credential = await findCredential(address).catch((error: unknown) => {
        endFormer(address, pinned); // nor may connections that were made with it to the former host go on
        throw error;
      });
      const key = keyOf(address, credential);
      const known = pools.get(key);
      if (known && !isOther(known.hostKey(), pinned)) return known.host;
      endFormer(address, pinned);
      const kept = keep(address, credential);
      pools.set(key, kept);
      return kept.host;
    },
    async probe(address) {
      if (isLocal(address, settings)) return;
      const name = nameOf(address);
      const credential = await findCredential(address);
      const pool = createPool(name, () => connect(address, credential, hostKeys));
      try {
        // start-up files may end every shell, or hang, behind a login that is let in
        await sshHost(name, pool).run({ line: ':', timeoutSeconds: 40, parse: () => undefined });
        pools.get(keyOf(address, credential))?.pool.heard();
      } finally {
        pool.close();
      }
    },
    async check(address, credential) {
      if (isLocal(address, settings)) return;
      // the system may not exist yet: its key is pinned by its first real use
      const keys: HostKeys = { find: hostKeys.find, pin: () => Promise.resolve() };
      (await connect(address, credential, keys)).close();
    },
    sessions: () => [...pools.values()].reduce((sum, { pool }) => sum + pool.sessions(), 0),
    commands: () => commands,
    close: () => pools.forEach(({ pool }) => pool.close()),
  };
}

interface Kept {
  address: HostAddress;
  pool: SshPool;
  host: Host;
  /** Of the host that its connections lead to; null before the first one. */
  hostKey: () => string | null;
}

/** Whether two host keys differ; null is a key that is not known yet, and differs from none. */
const isOther = (one: string | null, another: string | null): boolean =>
  one !== null && another !== null && one !== another;

/** A failure says at which system it happened: that one is tested before a job goes on. Commands are counted. */
function tellingWhere(host: SshHost, systemId: string, count: () => void): SshHost {
  const tell = (error: unknown): never => {
    if (error instanceof KilimError) error.detail['systemId'] ??= systemId;
    throw error;
  };
  return {
    name: host.name,
    run: (command, options) => {
      count();
      return host.run(command, options).catch(tell);
    },
    stream: async (line, options) => {
      count();
      const opened = await host.stream(line, options).catch(tell);
      const done = opened.done.catch(tell);
      done.catch(() => undefined);
      return { ...opened, done };
    },
  };
}

/**
 * A connection is shared only by those who have the very credential that opened it: a login name alone is no
 * proof. The system counts because host keys are pinned for it. A credential that changes counts from the next open.
 */
const keyOf = (address: HostAddress, credential: Credential | null): string =>
  [
    address.tenant, address.systemId, address.host, address.port, address.loginUser,
    createHash('sha256').update(JSON.stringify(credential)).digest('hex'),
  ].join(' '); // prettier-ignore
