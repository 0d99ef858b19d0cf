import { spawn } from 'node:child_process';
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import { afterEach, beforeEach, expect, it, vi } from 'vitest';

import { FOLLOWER } from '../../schedulers/ledger-states.js';

/* The script that follows the event logs, run by a real bash. */

let state: string;
beforeEach(() => {
  state = mkdtempSync(join(tmpdir(), 'kilim-follower-'));
  mkdirSync(join(state, 'events'));
});
afterEach(() => rmSync(state, { recursive: true, force: true }));

const own = hostname().split('.')[0] ?? '';

it.each(['node7', own])('tells of every line that %s writes once it says that it follows', async (node) => {
  const log = join(state, 'events', `${node}.log`);
  writeFileSync(log, 'of yesterday\n');
  const child = spawn('bash', ['-c', `state=${state}\n${FOLLOWER}`]);
  const lines: string[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => {
    if (line === 'FOLLOWING') appendFileSync(log, 'at once\n');
    lines.push(line);
  });
  try {
    await vi.waitFor(() => expect(lines).toContain('at once'), { timeout: 4_000 });
    appendFileSync(log, 'later\n');
    await vi.waitFor(() => expect(lines).toContain('later'), { timeout: 4_000 });
    writeFileSync(join(state, 'events/new.log'), 'of a new node\n');
    await vi.waitFor(() => expect(lines).toContain('of a new node'), { timeout: 4_000 });
    expect(lines).toEqual(['FOLLOWING', 'at once', 'later', 'of a new node']);
  } finally {
    child.stdin.end();
    await new Promise((resolve) => child.once('exit', resolve));
  }
});
