import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  createWriteStream,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  rmSync,
} from 'node:fs';
import { request, type ClientRequest, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';

import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';

import { part } from '../support/testbed.js';
import { aTutorial, aWorld, type World } from '../unit/api/a-world.js';

/* Streams between clients and hosts: clients that leave, that take or send nothing, and that ask for all channels of a host. */

const vm = part('vm-ssh');
const FOLDER = `client-streams-${process.pid}`;
const IDLE_SECONDS = 4;
const WAIT_SECONDS = 3;

/** Programs of this machine, on which the hosts are, that have a file or a folder of the test open. */
const programs = (): string =>
  execFileSync(
    'bash',
    ['-c', `find /proc/[0-9]*/fd /proc/[0-9]*/cwd -lname '*${FOLDER}*' 2> /dev/null | cut -d/ -f3 | sort -u | xargs -r -I{} cat /proc/{}/comm 2> /dev/null || true`],
    { encoding: 'utf8' },
  ); // prettier-ignore
const begun = (): Promise<void> =>
  vi.waitFor(() => expect(programs()).not.toBe(''), { timeout: 10_000, interval: 20 });
const ended = (): Promise<void> =>
  vi.waitFor(() => expect(programs()).toBe(''), { timeout: 2_000, interval: 50 });

let world: World;
beforeAll(async () => {
  world = await aWorld({
    KILIM_TRANSFER_IDLE_SECONDS: `${IDLE_SECONDS}`,
    KILIM_TRANSFER_WAIT_SECONDS: `${WAIT_SECONDS}`,
  });
  await aTutorial(world);
});
afterAll(() => world.close());

const all: ClientRequest[] = [];
afterEach(() => all.splice(0).forEach((sent) => sent.destroy()));

interface Open {
  sent: ClientRequest;
  /** Nothing of it is read. */
  reply: Promise<IncomingMessage>;
}

/** Takes a little, time and again. */
function sip(reply: IncomingMessage): { taken: () => number; stop: () => void } {
  let taken = 0;
  const timer = setInterval(() => (taken += (reply.read() as Buffer | null)?.length ?? 0), 10);
  return { taken: () => taken, stop: () => clearInterval(timer) };
}

async function open(user: string, method: string, path: string, headers = {}): Promise<Open> {
  const token = await world.token(user);
  const sent = request(world.url + path, { method, agent: false, headers: { 'X-Tapis-Token': token, ...headers } }); // prettier-ignore
  sent.on('error', () => undefined);
  all.push(sent);
  const reply = new Promise<IncomingMessage>((resolve) => sent.once('response', resolve));
  if (method !== 'POST') sent.end();
  return { sent, reply };
}

describe.each([
  { where: 'this machine', system: 'vm', isThere: true },
  { where: 'an SSH host', system: 'far', isThere: vm !== null && process.getuid?.() === 0 },
])('$where', ({ system, isThere }) => {
  const root = (): string => (system === 'vm' ? world.data : (vm?.home ?? '/nonexistent'));
  const content = (path: string): string => `/v3/files/content/${system}/${FOLDER}/${path}`;
  const upload = (user: string): Promise<Open> =>
    open(user, 'POST', `/v3/files/ops/${system}/${FOLDER}/new.bin`, {
      'Content-Type': 'multipart/form-data; boundary=x',
    });
  const HEAD = '--x\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n';

  beforeAll(async () => {
    if (!isThere) return;
    if (system === 'far') {
      const made = await world.ask('POST', '/v3/systems', {
        as: 'alice',
        body: {
          id: 'far', systemType: 'LINUX', host: '127.0.0.1', port: vm?.port, defaultAuthnMethod: 'PKI_KEYS', effectiveUserId: vm?.user,
          rootDir: root(), canExec: false,
        },
      }); // prettier-ignore
      const given = await world.ask('POST', `/v3/systems/credential/far/user/${vm?.user}`, {
        as: 'alice',
        body: {
          privateKey: readFileSync(vm?.privateKeyFile ?? '', 'utf8'),
          publicKey: readFileSync(`${vm?.privateKeyFile}.pub`, 'utf8'),
        },
      });
      expect([made.status, given.status], made.text + given.text).toEqual([201, 201]);
    }
    mkdirSync(join(root(), FOLDER, 'tree'), { recursive: true });
    execFileSync('chmod', ['-R', '777', join(root(), FOLDER)]);
    for (const name of ['big', 'tree/big']) {
      const file = openSync(join(root(), FOLDER, name), 'w', 0o666);
      ftruncateSync(file, 50 * 2 ** 30); // takes no room, and minutes to read
      closeSync(file);
    }
  });
  afterAll(() => rmSync(join(root(), FOLDER), { recursive: true, force: true }));

  const streams: [string, () => Promise<Open>][] = [
    ['a download', () => open('alice', 'GET', content('big'))],
    ['a part of a file', () => open('alice', 'GET', content('big'), { range: 'bytes=5-' })],
    ['a zip', () => open('alice', 'GET', content('tree?zip=true'))],
    [
      'an upload',
      async () => {
        const opened = await upload('alice');
        opened.sent.write(HEAD + 'x'.repeat(100_000));
        return opened;
      },
    ],
  ];

  it.runIf(isThere).each(streams)(
    'a client that leaves %s, time and again, leaves nothing behind and keeps no channel',
    async (_what, start) => {
      for (let round = 0; round < 3; round++) {
        const two = await Promise.all([start(), start()]);
        await begun();
        for (const { sent } of two) sent.destroy();
        await ended();
      }
      const { sent, reply } = await open('alice', 'GET', content('big'));
      expect((await reply).statusCode).toBe(200);
      sent.destroy();
      await ended();
      expect(readdirSync(join(root(), FOLDER)).sort()).toEqual(['big', 'tree']);
    },
    40_000,
  );

  it.runIf(isThere)(
    'gives one user half of its channels, leaves the rest to other users, and says when to try again',
    async () => {
      const held = await Promise.all([1, 2].map(() => open('alice', 'GET', content('big'))));
      const sips = await Promise.all(
        held.map(async ({ reply }) => {
          expect((await reply).statusCode).toBe(200);
          return sip(await reply);
        }),
      );
      const waiting = await Promise.all([
        open('alice', 'GET', content('tree?zip=true')),
        upload('alice').then((one) => (one.sent.write(HEAD), one)),
      ]);
      const gone = await open('alice', 'GET', content('big'));
      await sleep(200);
      gone.sent.destroy(); // it leaves before its turn
      const begin = performance.now();
      const { status } = await world.ask('GET', content('big'), { as: 'admin', headers: { range: '0,9' } });
      expect(status).toBe(200);
      expect(performance.now() - begin).toBeLessThan(2_000);
      for (const reply of await Promise.all(waiting.map((one) => one.reply))) {
        expect(reply.statusCode).toBe(503);
        expect(reply.headers['retry-after']).toBeDefined();
        expect(String(await once(reply, 'data'))).toContain('HOST_BUSY');
      }
      for (const { stop } of sips) stop();
      for (const { sent } of [...held, ...waiting]) sent.destroy();
      await ended();
    },
    30_000,
  );

  it.runIf(isThere)(
    'ends the download of a client that takes nothing, and goes on with that of a slow one',
    async () => {
      const idle = await open('alice', 'GET', content('big'));
      const slow = await open('alice', 'GET', content('big'));
      const reply = await slow.reply;
      const { taken, stop } = sip(reply);
      const over = new Promise((resolve) => reply.on('error', () => resolve('ended')));
      await idle.reply;
      // the shell around the slow one's reader may have the file open, too
      const readers = (): string[] => programs().match(/^(cat|head|tail)$/gm) ?? [];
      await vi.waitFor(() => expect(readers()).toHaveLength(1), { timeout: 20_000, interval: 100 });
      expect(await Promise.race([over, sleep(500, 'goes on')])).toBe('goes on');
      expect(taken()).toBeGreaterThan(100_000);
      stop();
      slow.sent.destroy();
      await ended();
    },
    30_000,
  );

  it.runIf(isThere)('has names of any bytes, empty directories and what links lead to in a zip', async () => {
    const script = `mkdir -p "$1/any/empty" "$1/any/d" && cd "$1/any" && echo odd > d/$'caf\\xe9' && echo one > run1: && ln -s d $'l\\xff' && ln -s / out`;
    execFileSync('bash', ['-c', script, '-', join(root(), FOLDER)]);
    execFileSync('chmod', ['-R', 'a+rwX', join(root(), FOLDER, 'any/d')]);
    const { reply } = await open('alice', 'GET', content('any?zip=true'));
    const file = join(world.data, `${system}.zip`);
    await pipeline(await reply, createWriteStream(file));
    const read = `import sys,zipfile\nz=zipfile.ZipFile(sys.argv[1])\nprint(z.testzip(), sorted(i.orig_filename.encode('cp437') for i in z.infolist()), z.comment)`;
    expect(execFileSync('python3', ['-c', read, file], { encoding: 'utf8' }).trim()).toBe(
      String.raw`None [b'd/caf\xe9', b'empty/', b'l\xff/caf\xe9', b'run1:'] b'Not in this archive: 1 links that lead out of the directory that may be used: "out"'`,
    );
    rmSync(join(root(), FOLDER, 'any'), { recursive: true });
  });

  it.runIf(isThere)('reads nothing of a file or a tree for a HEAD', async () => {
    for (const path of ['big', 'tree?zip=true']) {
      const { reply } = await open('alice', 'HEAD', content(path));
      expect((await reply).statusCode).toBe(200);
      await sleep(300);
      expect(programs()).toBe('');
    }
  });
});
