import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';

import { afterAll, describe, expect, it } from 'vitest';

import { openRead } from '../../hosts/read-files.js';
import { createHosts } from '../../hosts/hosts.js';
import { copyTree } from '../../hosts/transfer.js';
import { part } from '../support/testbed.js';

const PARTS = { vm: part('vm-ssh'), store: part('store-ssh') };

describe.runIf(PARTS.vm && PARTS.store)('a tree from one SSH host to another', () => {
  const hosts = createHosts({
    findCredential: ({ systemId }) =>
      Promise.resolve({
        privateKey: readFileSync(PARTS[systemId as 'vm' | 'store']?.privateKeyFile ?? '', 'utf8'),
      }),
    hostKeys: { find: () => Promise.resolve(null), pin: () => Promise.resolve() },
    local: { isEnabled: false, runAs: 'nobody', home: '/nowhere' },
  });
  const open = (systemId: 'vm' | 'store') =>
    hosts.open({
      tenant: 'dev',
      systemId,
      loginUser: PARTS[systemId]?.user ?? '',
      host: '127.0.0.1',
      port: PARTS[systemId]?.port ?? 0,
    });
  const run = async (systemId: 'vm' | 'store', line: string): Promise<string> =>
    (await open(systemId)).run({ line, parse: ({ stdout }) => stdout.trim() });
  const folder = `copy-test-${process.pid}`;

  afterAll(async () => {
    await Promise.all([run('vm', `rm -rf ~/${folder}`), run('store', `rm -rf ~/${folder}`)]);
    hosts.close();
  });

  it('arrives whole every time: neither side is ended while it tells how it went', async () => {
    await run(
      'store',
      `mkdir -p ~/${folder}/d; echo one > ~/${folder}/d/a.txt; echo two > ~/${folder}/b.log`,
    );
    const [from, to] = [await open('store'), await open('vm')];
    const copy = (i: number) =>
      copyTree({
        from,
        to,
        fromRoot: PARTS.store?.home ?? '',
        toRoot: PARTS.vm?.home ?? '',
        fromPath: `/${folder}`,
        toPath: `/${folder}/${i}`,
        sameHost: false,
        signal: new AbortController().signal,
        onProgress: () => undefined,
      });
    // both were races: one copy in three lost them
    for (let i = 0; i < 40; i++) expect(await copy(i)).toEqual({ bytes: 8, files: 2 });
    expect(await run('vm', `cat ~/${folder}/*/d/a.txt | sort | uniq -c`)).toBe('40 one');
  });

  it('arrives whole, small and big, where the start-up files of both accounts print', async () => {
    const noisy = 'printf \'Welcome!\\n\\nQuota: 3 %%\\n\'; echo "a warning" >&2\n';
    const files = (['vm', 'store'] as const).map((id) => `${PARTS[id]?.home}/.bashrc`);
    for (const file of files) writeFileSync(file, noisy);
    try {
      const size = 40 * 1024 * 1024; // a stream of its own
      await run(
        'store',
        `mkdir -p ~/${folder}/n; head -c ${size} /dev/urandom > ~/${folder}/n/big; echo small > ~/${folder}/n/small`,
      );
      const [from, to] = [await open('store'), await open('vm')];
      const { bytes } = await copyTree({
        from,
        to,
        fromRoot: PARTS.store?.home ?? '',
        toRoot: PARTS.vm?.home ?? '',
        fromPath: `/${folder}/n`,
        toPath: `/${folder}/n`,
        sameHost: false,
        signal: new AbortController().signal,
        onProgress: () => undefined,
      });
      expect(bytes).toBe(size + 6);
      const sums = `cd ~/${folder}/n && sha256sum big small`;
      expect(await run('vm', sums)).toBe(await run('store', sums));
      const body = await openRead(from, PARTS.store?.home ?? '', `/${folder}/n/small`);
      expect(await text(body)).toBe('small\n');
    } finally {
      for (const file of files) rmSync(file);
    }
  }, 120_000);
});
