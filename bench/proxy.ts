import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { ROOT } from './world.js';

export interface Proxy {
  port: number;
  close: () => Promise<void>;
}

/** A line to a port of this machine with a round trip of so many milliseconds. */
export async function openProxy(port: number, roundTripMs: number): Promise<Proxy> {
  const testbed = (await import(pathToFileURL(join(ROOT, 'test/testbed/proxy.mjs')).href)) as {
    openProxy: (target: number, options: { delayMs: number }) => Promise<Proxy>;
  };
  return testbed.openProxy(port, { delayMs: roundTripMs / 2 });
}
