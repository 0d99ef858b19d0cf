import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { followLines } from '../../hosts/follow.js';
import type { Host } from '../../hosts/host.js';
import { listFiles, listNames, statPath } from '../../hosts/list-files.js';
import { openLocal } from '../../hosts/local.js';
import { schedulers } from '../../schedulers/index.js';
import { withSshd } from '../support/an-sshd.js';
import { longestStall } from '../support/loop-monitor.js';
import { part } from '../support/testbed.js';

/* A host that lies: its tools print more than any answer can have, or what cannot be an answer. */

let here: string;
beforeAll(() => (here = mkdtempSync(join(tmpdir(), 'kilim-hostile-'))));
afterAll(() => rmSync(here, { recursive: true, force: true }));

/** Stands before every command of the host. */
const lying = (host: Host, lie: string): Host => ({
  ...host,
  run: (command, options) => host.run({ ...command, line: `${lie}\n${command.line}` }, options),
});

const onLocal = async (use: (host: Host) => Promise<void>): Promise<void> => {
  mkdirSync(join(here, 'home'), { recursive: true });
  await use(openLocal({ isEnabled: true, runAs: userInfo().username, home: join(here, 'home') }));
};
const onSsh = (use: (host: Host) => Promise<void>) => withSshd({}, async ({ host }) => use(await host()));
const hasSsh = part('vm-ssh') !== null && process.getuid?.() === 0;

const LETTERS = 'head -c 64000000 /dev/zero | tr "\\0" x';
const LINES = 'yes "" | head -n 9000000';

describe.each([
  ['this machine', onLocal, true],
  ['an SSH host', onSsh, hasSsh],
] as const)('%s', (_where, onHost, isThere) => {
  it.runIf(isThere)('that says more than an answer has is cut off, holds nothing up, and serves on', async () => {
    await onHost(async (host) => {
      const listing = { recurse: true, limit: 1000, offset: 0 };
      const asked: [string, (host: Host) => Promise<unknown>][] = [
        [LETTERS, (liar) => liar.run({ line: ':', parse: (reply) => reply })],
        [`find() { ${LETTERS}; }`, (liar) => listFiles(liar, '/', 'tmp', listing)],
        [`find() { ${LETTERS}; }`, (liar) => listNames(liar, '/', 'tmp')],
        [`find() { yes x | tr '\\n' '\\0'; }`, (liar) => listNames(liar, '/', 'tmp')],
        [`find() { ${LETTERS}; }`, (liar) => statPath(liar, '/', 'tmp')],
        [LINES, (liar) => liar.run(schedulers.process.snapshot('x'))],
        [`squeue() { ${LINES}; }; timeout() { squeue; }`, (liar) => liar.run(schedulers.slurm.snapshot('x'))],
      ];
      for (const [lie, ask] of asked) {
        const held = await longestStall(() => expect(ask(lying(host, lie)), lie).rejects.toThrow());
        expect(held, lie).toBeLessThan(100);
        expect(await host.run({ line: 'echo here', parse: ({ stdout }) => stdout })).toBe('here\n');
      }
      // stderr is not part of the answer: what exceeds its limit is dropped
      const loud = await host.run({ line: `${LETTERS} >&2; echo said`, parse: (reply) => reply });
      expect([loud.stdout, loud.exitCode, loud.stderr.length]).toEqual(['said\n', 0, 65536]);
    });
  }, 120_000);

  it.runIf(isThere)('that floods its event log is heard at a measured pace', async () => {
    await onHost(async (host) => {
      const heard: string[] = [];
      const stop = new AbortController();
      const held = await longestStall(async () => {
        const following = followLines(
          host,
          `${LETTERS}; echo; echo begins; yes "a line of the log"`,
          (line) => void heard.push(line),
          stop.signal,
        );
        await expect.poll(() => heard.length, { timeout: 20_000 }).toBeGreaterThan(1500);
        stop.abort();
        await following;
      });
      expect(heard[0]).toBe('begins'); // what is longer than a line was dropped
      expect(held).toBeLessThan(100);
      expect(heard.length).toBeLessThan(20_000);
    });
  }, 60_000);

  it.runIf(isThere).each(['f 1', 'f\\tNaN\\t', 'f\\t1\\tu\\tg\\tm\\tnever\\tx', 'f\\t1\\tu\\tg\\tm\\t99999999999999999\\tx'])(
    'whose find prints "%s" gets the blame, and not the request',
    async (words) => {
      await onHost(async (host) => {
        const liar = lying(host, `find() { printf '${words}\\0'; }`);
        const odd = { code: 'REMOTE_COMMAND_FAILED' };
        await expect(listFiles(liar, '/', 'tmp', { recurse: false, limit: 9, offset: 0 })).rejects.toMatchObject(odd);
        await expect(statPath(liar, '/', 'tmp')).rejects.toMatchObject(odd);
      });
    },
  );
}); // prettier-ignore
