import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { engineDatabase } from '../../../launcher/programs.js';
import { provisionTemporal } from '../../../launcher/provision-temporal.js';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'kilim-engine-'));
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(dir, { recursive: true, force: true });
});

const program = (path: string, text: string): string => {
  writeFileSync(path, `#!/bin/sh\n${text}\n`);
  chmodSync(path, 0o755);
  return path;
};
const temporal = (name: string, version: string): string =>
  program(
    join(dir, name),
    `echo asked >> ${dir}/asked; echo 'temporal version 0.0.0-DEV (Server ${version}, UI 2.42.1)'`,
  );

describe("the engine's database", () => {
  it('belongs to one version; another begins anew and keeps the old one aside', () => {
    const old = temporal('old', '1.29.1');
    const database = engineDatabase(dir, old);
    for (const part of ['', '-wal', '-shm']) writeFileSync(database + part, 'rows');
    expect(engineDatabase(dir, old)).toBe(database);
    expect(existsSync(database)).toBe(true);
    expect(readFileSync(join(dir, 'asked'), 'utf8')).toBe('asked\n'); // the same binary is not asked again

    expect(engineDatabase(dir, temporal('new', '1.30.0'))).toBe(database);
    const files = readdirSync(dir).filter((name) => name.startsWith('temporal.db'));
    expect(files.sort()).toEqual(['temporal.db.1.29.1', 'temporal.db.1.29.1-shm', 'temporal.db.1.29.1-wal']);
  });

  it('begins anew where an earlier build kept the queues in another way', () => {
    const binary = temporal('same', '1.29.1');
    const database = engineDatabase(dir, binary);
    const stamp = join(dir, 'temporal.version');
    writeFileSync(stamp, readFileSync(stamp, 'utf8').split('\n').slice(0, 2).join('\n') + '\n'); // as that build wrote it
    writeFileSync(database, 'rows');
    expect(engineDatabase(dir, binary)).toBe(database);
    expect(existsSync(database)).toBe(false);
    expect(readFileSync(join(dir, 'temporal.db.1.29.1'), 'utf8')).toBe('rows');
    writeFileSync(database, 'rows');
    engineDatabase(dir, binary);
    expect(existsSync(database)).toBe(true);
  });
});

describe("Temporal's binary", () => {
  const say = () => undefined;
  beforeEach(() => {
    vi.stubEnv('KILIM_TEMPORAL_CLI', '');
    vi.stubEnv('PATH', '/usr/bin:/bin');
  });

  it('is the one that is named, and a wrong name is said', async () => {
    const named = temporal('named', '1');
    vi.stubEnv('KILIM_TEMPORAL_CLI', named);
    expect(await provisionTemporal(say, dir)).toBe(named);
    vi.stubEnv('KILIM_TEMPORAL_CLI', join(dir, 'absent'));
    await expect(provisionTemporal(say, dir)).rejects.toThrow('which is no program');
  });

  it('is else that on the PATH, else that of the cache', async () => {
    const cache = join(dir, 'cache');
    mkdirSync(cache);
    const cached = program(join(cache, 'temporal'), 'exit 0');
    expect(await provisionTemporal(say, cache)).toBe(cached);
    mkdirSync(join(dir, 'bin'));
    const onPath = program(join(dir, 'bin', 'temporal'), 'exit 0');
    vi.stubEnv('PATH', `${dir}/bin:/usr/bin:/bin`);
    expect(await provisionTemporal(say, cache)).toBe(onPath);
  });
});
