import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { tmpdir } from 'node:os';

import { afterEach, beforeEach, expect, it } from 'vitest';

import { measuring } from '../../runtimes/container-usage.js';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'kilim-usage-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const file = (path: string, text: string): void => {
  mkdirSync(dirname(join(dir, path)), { recursive: true });
  writeFileSync(join(dir, path), text);
};

/** What is known of container `abc` after `meanwhile`, which runs while it is looked at. */
const used = (cgroup: string, meanwhile = 'sleep 0.3'): string => {
  file('proc/42/cgroup', cgroup);
  const { begin, end } = measuring('engine', 'job', join(dir, 'used'), {
    groups: join(dir, 'groups'),
    proc: join(dir, 'proc'),
  });
  const script = ['engine() { echo "42 abc"; }', begin, meanwhile, end].join('\n');
  const { stderr, status } = spawnSync('bash', ['-c', script], { encoding: 'utf8' });
  expect([stderr, status]).toEqual(['', 0]);
  return readFileSync(join(dir, 'used'), 'utf8').trim();
};

it('is read from cgroups of version 1', () => {
  file('groups/memory/docker/abc/memory.max_usage_in_bytes', '3145728\n');
  file('groups/cpuacct/docker/abc/cpuacct.usage', '1500999999\n');
  expect(used('4:memory:/docker/abc\n2:cpu,cpuacct:/docker/abc\n0::/\n')).toBe('1500 3072');
});

it('is read from cgroups of version 2', () => {
  file('groups/system.slice/docker-abc.scope/memory.peak', '3145728\n');
  file('groups/system.slice/docker-abc.scope/cpu.stat', 'usage_usec 1500999\nuser_usec 1\n');
  expect(used('0::/system.slice/docker-abc.scope\n')).toBe('1500 3072');
});

it('is what was seen last where the group went with its container', () => {
  file('groups/docker/abc/cpu.stat', 'usage_usec 2000000\n');
  expect(used('0::/docker/abc\n', `sleep 0.3; rm -r '${join(dir, 'groups')}'; sleep 0.5`)).toBe('2000 -');
});

it('is unknown where the container has no group of its own', () => {
  file('groups/user.slice/cpu.stat', 'usage_usec 2000000\n');
  expect(used('0::/user.slice\n')).toBe('- -');
});
