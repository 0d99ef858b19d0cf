import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect, it } from 'vitest';

import { programLog } from '../../../ops/program-log.js';

it('does not end the program where no line can be written, and counts the lines that are lost', async () => {
  const full = openSync('/dev/full', 'w'); // every write fails with ENOSPC
  const { log, dropped } = programLog('test', 'info', full);
  log.info('first');
  await new Promise((resolve) => setImmediate(resolve)); // an error event without a listener would end the process here
  expect(dropped()).toBe(0); // kept for later
  for (let i = 0; i < 2_000; i++) log.info({ text: 'x'.repeat(500) }, 'more');
  expect(dropped()).toBeGreaterThan(1_000);
  closeSync(full);
});

it('writes lines of JSON that name the program', () => {
  const dir = mkdtempSync(join(tmpdir(), 'kilim-log-'));
  const file = openSync(join(dir, 'log'), 'w');
  const { log, dropped } = programLog('worker', 'info', file);
  log.info({ jobUuid: 'u' }, 'said');
  expect(JSON.parse(readFileSync(join(dir, 'log'), 'utf8'))).toMatchObject({
    program: 'worker',
    jobUuid: 'u',
    msg: 'said',
  });
  expect(dropped()).toBe(0);
  closeSync(file);
  rmSync(dir, { recursive: true });
});
