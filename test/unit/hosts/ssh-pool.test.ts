import { PassThrough } from 'node:stream';

import type { ClientChannel } from 'ssh2';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';

import { KilimError } from '../../../domain/errors.js';
import { createPool, LIMITS } from '../../../hosts/ssh-pool.js';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

it('closes connections that are not used, also where commands were refused in the meantime', async () => {
  const channel = new PassThrough() as unknown as ClientChannel;
  let isOpen = true;
  const connection = {
    hostKey: 'SHA256:here',
    exec: () => Promise.resolve(channel),
    isOpen: () => isOpen,
    close: () => void (isOpen = false),
  };
  const pool = createPool('h', () => Promise.resolve(connection), LIMITS);
  await pool.channel('true', 'stream');
  channel.emit('close');
  pool.timedOut(new KilimError('HOST_TIMEOUT', 'h did not finish a command'), performance.now());
  await expect(pool.channel('true', 'stream')).rejects.toMatchObject({ code: 'HOST_UNREACHABLE' });
  await vi.advanceTimersByTimeAsync(LIMITS.idleMs);
  expect(pool.sessions()).toBe(0);
});
