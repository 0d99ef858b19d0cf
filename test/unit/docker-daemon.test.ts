import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, it } from 'vitest';

import type { RemoteCommand } from '../../domain/remote-command.js';
import { dockerDaemon } from '../../schedulers/docker-daemon.js';
import { aPlan } from '../support/a-plan.js';

/* The scripts that go to hosts, with a container engine that says what a test wants. */

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'kilim-docker-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const planHere = () =>
  aPlan({
    keeper: 'docker',
    paths: { rootDir: dir, execDir: dir, inputDir: dir, outputDir: dir },
  });

const ledger = (): string => join(dir, '.kilim', planHere().uuid);

function run<T>(command: RemoteCommand<T>, engine: string): T {
  writeFileSync(join(dir, 'docker'), `#!/bin/bash\n${engine}\n`);
  chmodSync(join(dir, 'docker'), 0o755);
  const { stdout, stderr, status } = spawnSync('bash', ['-c', command.line], {
    encoding: 'utf8',
    env: { PATH: `${dir}:${process.env['PATH'] ?? ''}`, HOME: dir },
  });
  return command.parse({ stdout, stderr, exitCode: status });
}

const AWAY = 'echo "Cannot connect to the Docker daemon at unix:///var/run/docker.sock." >&2; exit 1';

it('does not take a container for ended whose engine does not answer', () => {
  mkdirSync(join(ledger(), 'started.1'), { recursive: true });
  expect(run(dockerDaemon.cancel(planHere(), '1', 'inst'), AWAY).left.join()).toContain('Cannot connect');
});

it('ends a job that never started without its engine', () => {
  expect(run(dockerDaemon.cancel(planHere(), null, 'inst'), AWAY)).toEqual({ left: [] });
});

it('holds a container that an earlier try has paused', () => {
  const paused = `case "$1" in
    inspect) case "$*" in *Paused*) echo true ;; *) echo paused ;; esac ;;
    *) echo "Error response from daemon: Container is already paused" >&2; exit 1 ;;
  esac`;
  expect(run(dockerDaemon.hold(planHere(), '1', 'inst'), paused).done).toBe(true);
});

it('does not take a run for lost whose wrapper is gone while its engine does not answer', () => {
  mkdirSync(join(ledger(), 'started.1'), { recursive: true });
  writeFileSync(join(ledger(), 'pid'), '1 1\n');
  const settle = (engine: string) => run(dockerDaemon.settle(planHere(), '1', 'inst'), engine);
  expect(settle(AWAY)).toEqual({ is: 'unknown', why: 'the container engine does not answer' });
  expect(settle('echo "Error: No such container: x" >&2; exit 1')).toMatchObject({ word: 'WRAPPER_LOST' });
  expect(settle('[ "$1" = inspect ] && echo "exited 5"')).toMatchObject({ is: 'over', exitCode: 5 });
});
