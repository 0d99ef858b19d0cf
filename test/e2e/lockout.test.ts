import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect, it } from 'vitest';

import { anyPort } from '../support/kilim.js';
import { isOk, kilim, until, type Running } from '../support/programs.js';

const ROOT = new URL('../..', import.meta.url).pathname;

it(
  'users are locked out and let in by commands, which a second start with the seed does not undo',
  { timeout: 180_000 },
  async () => {
    const home = mkdtempSync(join(tmpdir(), 'kilim-test-'));
    const env = { KILIM_HOME: home, KILIM_MASTER_KEY: randomBytes(32).toString('base64'), KILIM_PORT: `${await anyPort()}` }; // prettier-ignore
    const url = `http://127.0.0.1:${env.KILIM_PORT}`;
    const command = async (...words: string[]): Promise<[number | null, string]> => {
      const { ended, said } = kilim(words, env);
      return [await ended, said()];
    };
    const api = async (): Promise<Running> => {
      const started = kilim(['api', '--migrate', '--seed', join(ROOT, 'examples/seed.json')], env);
      await until('the API', () => isOk(`${url}/v3/healthz`), [started]);
      return started;
    };
    const logIn = async (): Promise<[number, string]> => {
      const body = JSON.stringify({ username: 'alice', password: 'alice', grant_type: 'password' });
      const reply = await fetch(`${url}/v3/oauth2/tokens`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body }); // prettier-ignore
      const { result } = (await reply.json()) as {
        result: { access_token: { access_token: string } } | null;
      };
      return [reply.status, result?.access_token.access_token ?? ''];
    };
    const use = async (token: string): Promise<number> =>
      (await fetch(`${url}/v3/systems`, { headers: { 'X-Tapis-Token': token } })).status;

    let running = await api();
    try {
      const [, first] = await logIn();
      expect(await use(first)).toBe(200);
      expect(await command('revoke-tokens', 'alice')).toEqual([0, expect.stringContaining('All tokens of alice have ended')]); // prettier-ignore
      expect(await use(first)).toBe(401);
      const [, second] = await logIn();
      expect(await use(second)).toBe(200);
      expect(await command('disable-user', 'alice')).toEqual([
        0,
        expect.stringContaining('alice is disabled'),
      ]);
      expect([await use(second), (await logIn())[0]]).toEqual([401, 401]);

      running.child.kill('SIGTERM');
      await running.ended;
      running = await api();
      expect((await logIn())[0]).toBe(401);
      expect((await command('enable-user', 'alice'))[0]).toBe(0);
      const [status, third] = await logIn();
      expect([status, await use(second), await use(third)]).toEqual([200, 401, 200]);

      expect(await command('disable-user', '--', '-nobody')).toEqual([0, expect.stringContaining('The store has no user -nobody')]); // prettier-ignore
      expect(await command('disable-user', '')).toEqual([1, expect.stringContaining('The name of the user is empty')]); // prettier-ignore
      const lines = readFileSync(join(home, 'audit.log'), 'utf8').trim().split('\n').map((line) => JSON.parse(line) as Record<string, unknown>); // prettier-ignore
      expect(lines.map(({ operation, resource, outcome }) => [operation, resource, outcome])).toEqual([
        ['revoke-tokens', 'alice', 'ok'],
        ['disable-user', 'alice', 'ok'],
        ['enable-user', 'alice', 'ok'],
        ['disable-user', '-nobody', 'ok'],
        ['disable-user', '', 'failed'],
      ]);
      expect(lines[0]).toMatchObject({ audit: true, from: 'this machine', account: expect.any(String) as string, tenant: 'dev' }); // prettier-ignore
    } finally {
      running.child.kill('SIGTERM');
      await running.ended;
      rmSync(home, { recursive: true, force: true });
    }
  },
);
