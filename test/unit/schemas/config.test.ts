import { readFileSync } from 'node:fs';

import { expect, it } from 'vitest';
import type { z } from 'zod';

import { Config, masterKeys, parseConfig } from '../../../schemas/config.js';

it('settles every default from the home folder', () => {
  expect(parseConfig({ KILIM_HOME: '/h', KILIM_PORT: '' })).toMatchObject({
    DATABASE_URL: 'sqlite:/h/kilim.db', KILIM_MASTER_KEY_FILE: '/h/keys/master.key', KILIM_PORT: 8080, KILIM_HOST: '127.0.0.1',
    KILIM_TENANT: 'dev', KILIM_LOCAL_EXECUTION: false, CORS_ORIGINS: [], TEMPORAL_ADDRESS: '127.0.0.1:7233',
  }); // prettier-ignore
});

it.each([
  [{}, 'Kilim cannot start: KILIM_HOME must be set to a folder.'],
  [{ KILIM_HOME: 'here' }, 'Kilim cannot start: KILIM_HOME ("here") must be an absolute path.'],
  [
    { KILIM_HOME: '/h', KILIM_PORT: 'high' },
    'Kilim cannot start: KILIM_PORT ("high") must be a port number.',
  ],
  [
    { KILIM_HOME: '/h', TRUST_PROXY: 'yes' },
    'Kilim cannot start: TRUST_PROXY ("yes") must be true or false.',
  ],
  [
    { KILIM_HOME: '/h', DATABASE_URL: 'mysql://root:secret@h/x' },
    'Kilim cannot start: DATABASE_URL must start with sqlite: or postgres://.',
  ],
])('says what is wrong with %j', (env, message) => {
  expect(() => parseConfig(env)).toThrow(message);
});

it('takes keys of the environment before the file', () => {
  const key = Buffer.alloc(32, 7).toString('base64');
  expect(masterKeys(parseConfig({ KILIM_HOME: '/nowhere', KILIM_MASTER_KEY: key }))).toHaveLength(1);
  const short = () => masterKeys(parseConfig({ KILIM_HOME: '/nowhere', KILIM_MASTER_KEY: 'c2hvcnQ=' }));
  expect(short).toThrow('KILIM_MASTER_KEY must hold keys of 32 bytes');
});

/** The README's table is the schema: a setting is described once. */
const rowOf = (name: string, setting: z.ZodType): string => {
  const { data } = setting.safeParse(undefined);
  const given = Array.isArray(data) ? data.join(',') : (data as string | number | boolean | undefined);
  return `| \`${name}\` | ${given === undefined || given === '' ? '' : `\`${given}\``} | ${setting.description ?? 'NOT DESCRIBED'} |`;
};

it('is the table of settings in the README', () => {
  const readme = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8');
  const rows = Object.entries(Config.in.shape).map(([name, setting]) => rowOf(name, setting));
  const [, table = ''] =
    /\| Variable \| Default \| Meaning \|\n\|---\|---\|---\|\n((?:\|.*\n)+)/.exec(readme) ?? [];
  // what only the launcher reads follows the schema's rows
  expect(table.split('\n').slice(0, rows.length)).toEqual(rows);
});
