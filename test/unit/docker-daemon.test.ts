import { execFile, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

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

it('waits with a pause until a slow engine has started the container', () => {
  const slow = `case "$1" in
    inspect) echo x >> ${dir}/asked; [ $(wc -l < ${dir}/asked) -gt 60 ] && echo running || exit 1 ;;
    pause) [ $(wc -l < ${dir}/asked) -gt 60 ] || { echo "no such container"; exit 1; } ;;
  esac`;
  expect(run(dockerDaemon.hold(planHere(), '1', 'inst'), slow)).toMatchObject({ done: true });
}, 40_000);

it('pauses again what the kernel could not freeze at once, and nothing else', () => {
  const says = (words: string): string => `case "$1" in
    inspect) echo running ;;
    pause) echo x >> ${dir}/tries; [ $(wc -l < ${dir}/tries) -gt 2 ] || { echo "Error: ${words}" >&2; exit 1; } ;;
  esac`;
  const freeze = says('OCI runtime pause failed: unable to freeze: unknown.');
  expect(run(dockerDaemon.hold(planHere(), '1', 'inst'), freeze)).toMatchObject({ done: true });
  rmSync(join(dir, 'tries'));
  const refused = run(dockerDaemon.hold(planHere(), '1', 'inst'), says('permission denied'));
  expect(refused).toEqual({
    done: false,
    said: 'the container could not be paused: Error: permission denied',
  });
}, 20_000);

it('does not wait with a pause for the container of a run that is over', () => {
  mkdirSync(ledger(), { recursive: true });
  writeFileSync(join(ledger(), 'exit'), '0 1 2\n');
  const gone = 'echo "Error: no such container" >&2; exit 1';
  expect(run(dockerDaemon.hold(planHere(), '1', 'inst'), gone)).toMatchObject({ done: false });
});

it('does not call a container continued whose engine was away when it should go on', () => {
  expect(() => run(dockerDaemon.release(planHere(), '1', 'inst'), AWAY)).toThrow(
    expect.objectContaining({
      code: 'HOST_TIMEOUT',
      message: expect.stringContaining('Cannot connect'),
    }) as Error,
  );
  const goesOn = 'echo "Error response from daemon: Container x is not paused" >&2; exit 1';
  expect(run(dockerDaemon.release(planHere(), '1', 'inst'), goesOn).done).toBe(false);
});

it('keeps the output where two looks find the end of a container whose wrapper was killed', async () => {
  mkdirSync(join(ledger(), 'started.1'), { recursive: true });
  writeFileSync(join(ledger(), 'pid'), '1 1\n');
  const engine = `case "$1" in
    inspect) [ -e ${dir}/removed ] && { echo "no such container" >&2; exit 1; }; echo "exited 7" ;;
    logs) sleep 0.5; [ -e ${dir}/removed ] && { echo "no such container" >&2; exit 1; }; echo "its output" ;;
    rm) touch ${dir}/removed ;;
  esac`;
  writeFileSync(join(dir, 'docker'), `#!/bin/bash\n${engine}\n`, { mode: 0o755 });
  const { line, parse } = dockerDaemon.settle(planHere(), '1', 'inst');
  const env = { PATH: `${dir}:${process.env['PATH'] ?? ''}`, HOME: dir };
  const looks = await Promise.all([1, 2].map(() => promisify(execFile)('bash', ['-c', line], { env })));
  for (const { stdout, stderr } of looks)
    expect(parse({ stdout, stderr, exitCode: 0 })).toMatchObject({ is: 'over', exitCode: 7 });
  expect(readFileSync(join(dir, planHere().logConfig.stdoutFilename), 'utf8')).toBe('its output\n');
});

it('does not take a run for lost whose wrapper is gone while its engine does not answer', () => {
  mkdirSync(join(ledger(), 'started.1'), { recursive: true });
  writeFileSync(join(ledger(), 'pid'), '1 1\n');
  const settle = (engine: string) => run(dockerDaemon.settle(planHere(), '1', 'inst'), engine);
  expect(settle(AWAY)).toEqual({ is: 'unknown', why: 'the container engine does not answer' });
  expect(settle('echo "Error: No such container: x" >&2; exit 1')).toMatchObject({ word: 'WRAPPER_LOST' });
  expect(settle('[ "$1" = inspect ] && echo "exited 5"')).toMatchObject({ is: 'over', exitCode: 5 });
});
