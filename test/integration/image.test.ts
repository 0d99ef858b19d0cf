import { execFileSync, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { anyPort } from '../support/kilim.js';
import { part } from '../support/testbed.js';

const ROOT = new URL('../..', import.meta.url).pathname;
const BASE = 'kilim/node:test';
const IMAGE = 'kilim/kilim:test';
const bed = part('docker');
// minutes on a new machine; without CI only where it is asked for
const isWanted = process.env['CI'] === 'true' || process.env['KILIM_TEST_IMAGE'] === 'true';

const docker = (...args: string[]): string =>
  execFileSync('docker', args, {
    encoding: 'utf8',
    env: { ...process.env, DOCKER_HOST: bed?.DOCKER_HOST, DOCKER_BUILDKIT: '0' },
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: 64_000_000,
  });

/** This machine's Node, npm and trusted certificates on the test bed's Debian: no image registry is asked. */
function makeBase(): void {
  const context = mkdtempSync(join(tmpdir(), 'kilim-image-'));
  const prefix = dirname(dirname(process.execPath));
  const into = (path: string): string => {
    const target = join(context, 'root', path);
    mkdirSync(dirname(target), { recursive: true });
    return target;
  };
  try {
    cpSync(process.execPath, into('usr/local/bin/node'));
    cpSync(join(prefix, 'lib/node_modules/npm'), into('usr/local/lib/node_modules/npm'), { recursive: true });
    symlinkSync('../lib/node_modules/npm/bin/npm-cli.js', into('usr/local/bin/npm'));
    if (existsSync(join(prefix, 'include/node')))
      cpSync(join(prefix, 'include/node'), into('usr/local/include/node'), { recursive: true });
    const certificates = '/etc/ssl/certs/ca-certificates.crt';
    cpSync(certificates, into(certificates));
    writeFileSync(into('usr/local/etc/npmrc'), `cafile=${certificates}\n`);
    writeFileSync(
      join(context, 'Dockerfile'),
      'FROM kilim/debian:test\nRUN apt-get -q update && apt-get -q -y install --no-install-recommends g++ make\nCOPY root /\n',
    );
    docker('build', '-q', '--network=host', '-t', BASE, context);
  } finally {
    rmSync(context, { recursive: true, force: true });
  }
}

describe.runIf(bed && isWanted)('the image of the Dockerfile', () => {
  const container = `kilim-image-${randomBytes(4).toString('hex')}`;

  beforeAll(() => {
    makeBase();
    docker(
      ...['build', '--network=host', '--build-arg', `BASE=${BASE}`, '--build-arg', `BUILD_BASE=${BASE}`],
      ...['-t', IMAGE, ROOT],
    );
  }, 1_500_000);
  afterAll(() => {
    spawnSync('docker', ['rm', '-f', container], { env: { ...process.env, DOCKER_HOST: bed?.DOCKER_HOST } });
  });

  it('holds the program and no more than that', () => {
    expect(docker('run', '--rm', IMAGE, '--help')).toContain('Usage: kilim');
    const files = docker('run', '--rm', '--entrypoint', 'ls', IMAGE, '-A', '/kilim')
      .split('\n')
      .filter(Boolean);
    expect(files).toEqual(['bin', 'deploy', 'dist', 'node_modules', 'package.json']);
    expect(
      docker('run', '--rm', '--entrypoint', 'ls', IMAGE, '/kilim/node_modules').split('\n'),
    ).not.toContain('vitest');
  });

  it('serves the API as an ordinary account without rights, on a file system it cannot write, and ends by SIGTERM', async () => {
    const port = await anyPort();
    const settings = {
      KILIM_HOME: '/var/lib/kilim',
      KILIM_PORT: `${port}`,
      KILIM_MASTER_KEY: randomBytes(32).toString('base64'),
      TEMPORAL_ADDRESS: '127.0.0.1:1',
    };
    docker(
      ...[
        'run',
        '-d',
        '--name',
        container,
        '--network=host',
        '--read-only',
        '--cap-drop=ALL',
        '--tmpfs=/tmp',
        '--init',
      ],
      ...Object.entries(settings).flatMap(([name, value]) => ['-e', `${name}=${value}`]),
      IMAGE,
      ...['api', '--migrate'],
    );
    const healthy = (): Promise<boolean> =>
      fetch(`http://127.0.0.1:${port}/v3/healthz`).then(
        ({ ok }) => ok,
        () => false,
      );
    for (const deadline = Date.now() + 60_000; !(await healthy()); await sleep(100))
      if (Date.now() > deadline) throw new Error(docker('logs', container));
    expect(docker('exec', container, 'id', '-u').trim()).toBe('10001');

    docker('stop', '-t', '20', container);
    expect(docker('inspect', '-f', '{{.State.ExitCode}}', container).trim()).toBe('0');
  }, 120_000);
});

it('its Node is one that Kilim runs on', () => {
  const [, major = ''] = /^ARG BASE=node:(\d+)-/m.exec(readFileSync(join(ROOT, 'Dockerfile'), 'utf8')) ?? [];
  expect(Number(major)).toBeGreaterThanOrEqual(20);
});
