import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, it } from 'vitest';

import { DYNAMIC } from '../../launcher/programs.js';
import { Config, masterKeys, parseConfig } from '../../schemas/config.js';
import { parseBody } from '../../schemas/parse.js';
import { Seed } from '../../schemas/identity.js';

const ROOT = new URL('../..', import.meta.url).pathname;
const read = (name: string): string => readFileSync(join(ROOT, name), 'utf8');
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kilim-deploy-'));
  cpSync(join(ROOT, 'deploy'), join(folder, 'deploy'), { recursive: true });
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

it('secrets are made once, and the programs accept them', () => {
  const make = (): string =>
    spawnSync('sh', [join(folder, 'deploy/make-secrets.sh')], { encoding: 'utf8' }).stderr;
  const secret = (name: string): string => join(folder, 'deploy/secrets', name);
  expect(make()).toBe('');
  const key = readFileSync(secret('master_key'), 'utf8');
  expect(make()).toBe('');
  expect(readFileSync(secret('master_key'), 'utf8')).toBe(key);
  expect(statSync(join(folder, 'deploy/secrets')).mode & 0o777).toBe(0o700);

  const config = parseConfig({
    KILIM_HOME: '/var/lib/kilim',
    DATABASE_URL: readFileSync(secret('database_url'), 'utf8'),
    KILIM_MASTER_KEY_FILE: secret('master_key'),
  });
  expect(masterKeys(config)).toHaveLength(1);
  expect(config.DATABASE_URL).toContain(readFileSync(secret('postgres_password'), 'utf8'));
  const seed = parseBody(Seed, JSON.parse(readFileSync(secret('seed.json'), 'utf8')));
  expect(seed.users).toMatchObject([{ username: 'admin', admin: true }]);
  expect(seed.users[0]?.password).toMatch(/^[0-9a-f]{24}$/);
});

it('the entry point takes the database from the environment, and hands the signals on', () => {
  mkdirSync(join(folder, 'bin'));
  const program = join(folder, 'bin/kilim');
  writeFileSync(
    program,
    'console.log(process.env.DATABASE_URL, process.argv.slice(2).join(" "), process.ppid)',
  );
  chmodSync(program, 0o755);
  const { stdout } = spawnSync('sh', ['deploy/entrypoint.sh', 'worker', 'a b'], {
    cwd: folder,
    encoding: 'utf8',
    env: { ...process.env, DATABASE_URL: 'postgres://h/d' },
  });
  // exec: our child is the program, no shell stands between
  expect(stdout).toBe(`postgres://h/d worker a b ${process.pid}\n`);
});

it('a cluster gets the settings of the embedded engine by name', () => {
  const names = DYNAMIC.map((setting) => setting.split('=')[0] ?? '');
  const file = read('deploy/dynamic-config.yaml');
  expect(names.filter((name) => !file.includes(`\n${name}:\n`))).toEqual([]);
});

it('compose sets only what the programs know', () => {
  const known = new Set(Object.keys(Config.in.shape));
  const said = [
    ...read('docker-compose.yml').matchAll(/^ {4,6}(KILIM_[A-Z_]+|PUBLIC_URL|TRUST_PROXY|LOG_LEVEL): /gm),
  ];
  expect(said.length).toBeGreaterThan(6);
  expect(said.map(([, name = '']) => name).filter((name) => !known.has(name))).toEqual([]);
});

it('compose counts failed log-ins by the address that its proxy tells, unless told otherwise', () => {
  const [, api = ''] = /^ {2}api:\n((?: {3,}.*\n|\n)*)/m.exec(read('docker-compose.yml')) ?? [];
  const [, name = '', byDefault = ''] = /^ {6}TRUST_PROXY: \$\{(\w+):-(\w+)\}$/m.exec(api) ?? [];
  expect(name).toBe('TRUST_PROXY');
  expect(parseConfig({ KILIM_HOME: '/h', TRUST_PROXY: byDefault }).TRUST_PROXY).toBe(true);
});

const compose = [['docker', 'compose'], ['docker-compose']].find(
  ([command = '', ...words]) => spawnSync(command, [...words, 'version']).status === 0,
);
it.runIf(compose)('docker-compose.yml is valid', () => {
  spawnSync('sh', [join(folder, 'deploy/make-secrets.sh')]);
  cpSync(join(ROOT, 'docker-compose.yml'), join(folder, 'docker-compose.yml'));
  const [command = '', ...words] = compose ?? [];
  const said = spawnSync(command, [...words, '-p', 'kilim', 'config'], { cwd: folder, encoding: 'utf8' });
  expect(said.status, said.stderr).toBe(0);
  for (const service of ['api', 'migrate', 'postgres', 'temporal', 'temporal-ui', 'worker'])
    expect(said.stdout).toContain(`\n  ${service}:\n`);
});
