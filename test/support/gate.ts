import { readFileSync } from 'node:fs';

import type { Kilim } from './kilim.js';
import { part } from './testbed.js';

const PROXY = new URL('../testbed/proxy.mjs', import.meta.url).href;

interface Proxy {
  port: number;
  opened: () => number;
  hold: () => void;
  release: () => void;
  cut: () => void;
  restore: () => void;
  drop: () => void;
  setDelay: (milliseconds: number) => void;
  close: () => Promise<void>;
}

export interface Gate extends Proxy {
  systemId: string;
}

/** A system of alice on the host `vm-ssh`, whose network the test holds in its hand. */
export async function aGate(kilim: Kilim, systemId: string, delayMs = 0): Promise<Gate> {
  const bed = part('vm-ssh');
  if (!bed?.port || !bed.privateKeyFile) throw new Error('the part vm-ssh of the test bed is not up');
  const { openProxy } = (await import(PROXY)) as {
    openProxy: (target: number, options: { delayMs: number }) => Promise<Proxy>;
  };
  const proxy = await openProxy(bed.port, { delayMs });
  const made = await kilim.call('POST', '/v3/systems', {
    id: systemId, systemType: 'LINUX', host: '127.0.0.1', port: proxy.port, defaultAuthnMethod: 'PKI_KEYS', effectiveUserId: bed.user,
    rootDir: bed.home, canExec: true, jobWorkingDir: 'workdir', jobRuntimes: [{ runtimeType: 'ZIP' }, { runtimeType: 'DOCKER' }],
  }); // prettier-ignore
  const known = await kilim.call('POST', `/v3/systems/credential/${systemId}/user/${bed.user}`, {
    privateKey: readFileSync(bed.privateKeyFile, 'utf8'),
    publicKey: readFileSync(`${bed.privateKeyFile}.pub`, 'utf8'),
  });
  if (made.status > 201 || known.status > 201) throw new Error(`${made.message}\n${known.message}`);
  return { ...proxy, systemId };
}
