import { PassThrough } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';

import { expect, it } from 'vitest';

import { followLines } from '../../../hosts/follow.js';
import type { Host } from '../../../hosts/host.js';

it('takes a thousand lines a second of a host that says as many as it can', async () => {
  const stdout = new PassThrough();
  const stop = new AbortController();
  const host = {
    name: 'fake',
    stream: () => {
      const done = new Promise((_, reject) => {
        stop.signal.addEventListener('abort', () => reject(new Error('aborted')));
      });
      return Promise.resolve({ stdin: new PassThrough(), stdout, done });
    },
  } as unknown as Host;
  let heard = 0;
  const following = followLines(host, 'x', () => void heard++, stop.signal);
  stdout.write('a line of the log\n'.repeat(5_000));
  await expect.poll(() => heard, { timeout: 5_000, interval: 10 }).toBeGreaterThanOrEqual(1_000);
  await sleep(300);
  expect(heard).toBe(1_000);
  await expect.poll(() => heard, { timeout: 5_000, interval: 10 }).toBeGreaterThan(1_000);
  stop.abort();
  await following;
});
