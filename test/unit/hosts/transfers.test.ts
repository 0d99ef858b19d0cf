import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';

import { afterEach, beforeEach, expect, it } from 'vitest';

import { openUrl } from '../../../hosts/fetch-url.js';
import { writeFile } from '../../../hosts/change-files.js';
import { createGate } from '../../../hosts/gate.js';
import type { Host } from '../../../hosts/host.js';
import { join as transfer } from '../../../hosts/join.js';
import { openLocal } from '../../../hosts/local.js';
import { moveTree } from '../../../hosts/move-tree.js';
import { textOf } from '../../../hosts/odd-bytes.js';
import { untilMark } from '../../../hosts/shell-channel.js';
import { copyTree, fetchHttp } from '../../../hosts/transfer.js';

let dir: string;
let servers: Server[] = [];
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'kilim-transfer-'));
  chmodSync(dir, 0o777);
});
afterEach(() => {
  servers.forEach((server) => server.closeAllConnections());
  servers.forEach((server) => server.close());
  servers = [];
  rmSync(dir, { recursive: true, force: true });
});

/** This machine, as somebody who is not root. Gives a stream after `ms`, and one at a time where it has a `gate` for one. */
const aHost = (ms = 0, gate = createGate(99)): Host => {
  const local = openLocal({ isEnabled: true, runAs: 'nobody', home: join(dir, 'home') });
  return {
    ...local,
    stream: async (line, options) => {
      const leave = await gate.enter(options?.signal);
      await sleep(ms);
      const opened = await local.stream(line, options);
      opened.done.then(leave, leave);
      return opened;
    },
  };
};
const left = () => readdirSync(dir).filter((name) => name !== 'home');
const never = new AbortController().signal;

const serve = async (listener: RequestListener): Promise<string> => {
  const server = createServer(listener);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
};

it('a source that fails before the host is ready fails the file, not the program', async () => {
  const source = new PassThrough();
  const written = writeFile(aHost(200), { root: dir, path: 'file' }, source);
  written.catch(() => undefined);
  await sleep(50);
  source.destroy(new Error('the tab was closed'));
  await expect(written).rejects.toThrow();
  expect(left()).toEqual([]);
});

it('a fetch that is cancelled while it waits for the host fails alone', async () => {
  const url = await serve((_request, response) => response.end(Buffer.alloc(8_000_000)));
  const abort = new AbortController();
  const gate = createGate(1);
  await gate.enter();
  const to = {
    to: aHost(0, gate),
    toRoot: dir,
    toPath: 'file',
    signal: abort.signal,
    onProgress: () => undefined,
  };
  const fetched = fetchHttp({ ...to, url, allowPrivate: true });
  fetched.catch(() => undefined);
  await sleep(100);
  abort.abort();
  await expect(fetched).rejects.toThrow();
  expect(left()).toEqual([]);
});

it('a page that is not there leaves nothing, and says so', async () => {
  const url = await serve((_request, response) => response.writeHead(404).end());
  const to = { to: aHost(), toRoot: dir, toPath: 'file', signal: never, onProgress: () => undefined };
  await expect(fetchHttp({ ...to, url, allowPrivate: true })).rejects.toMatchObject({
    code: 'PATH_NOT_FOUND',
  });
  expect(left()).toEqual([]);
});

it('a server is not silent where what it sent was not taken yet', async () => {
  const all = 5_000_000;
  const url = await serve((_request, response) => response.end(Buffer.alloc(all)));
  const body = await openUrl(url, true, never, 100);
  await sleep(500);
  let size = 0;
  for await (const chunk of body) size += (chunk as Buffer).length;
  expect(size).toBe(all);
});

it('a server that says nothing for long has broken off', async () => {
  const url = await serve((_request, response) => void response.write('the beginning'));
  const body = await openUrl(url, true, never, 100);
  await expect(once(body.resume(), 'end')).rejects.toThrow();
});

it('transfers in both directions between two hosts that are full wait for each other', async () => {
  const [a, b] = [aHost(5, createGate(1)), aHost(5, createGate(1))];
  const [at, to] = [join(dir, 'a'), join(dir, 'b')];
  const content = 'x'.repeat(1_000_000); // more than a pipe holds: the source waits for its target
  writeFileSync(at, content);
  const one = (from: Host, into: Host, i: number) =>
    transfer(
      { host: from, path: 'a', script: `cat '${at}'` },
      { host: into, path: 'b', script: `cat > '${to}${i}'` },
      new PassThrough(),
      never,
    );
  await Promise.all(Array.from({ length: 10 }, (_, i) => (i % 2 ? one(a, b, i) : one(b, a, i))));
  for (let i = 0; i < 10; i++) expect(readFileSync(`${to}${i}`, 'utf8') === content).toBe(true);
});

it('what a quick source of this machine says is kept for a target that is slow to come', async () => {
  writeFileSync(join(dir, 'from'), 'content', { mode: 0o644 });
  const ends = {
    from: aHost(),
    fromRoot: dir,
    fromPath: 'from',
    to: aHost(300),
    toRoot: dir,
    toPath: 'into',
  };
  await copyTree({ ...ends, sameHost: false, signal: never, onProgress: () => undefined });
  expect(readFileSync(join(dir, 'into'), 'utf8')).toBe('content');
});

it('a copy on one host may be repeated, over files that may not be written', async () => {
  mkdirSync(join(dir, 'from'));
  writeFileSync(join(dir, 'from/file'), 'content', { mode: 0o444 });
  const host = aHost();
  const copy = (fromPath: string, toPath: string) =>
    copyTree({ from: host, fromRoot: dir, fromPath, to: host, toRoot: dir, toPath, sameHost: true, signal: never, onProgress: () => undefined }); // prettier-ignore
  for (let i = 0; i < 2; i++) {
    await copy('from', 'tree');
    await copy('from/file', 'single');
  }
  expect(readFileSync(join(dir, 'tree/file'), 'utf8')).toBe('content');
  expect(statSync(join(dir, 'single')).mode & 0o777).toBe(0o444);
  expect(existsSync(join(dir, 'tree/from'))).toBe(false);
});

it('moves the files of a list under names that are not UTF-8', async () => {
  const name = Buffer.from([0x78, 0xff, 0x27, 0xc3, 0xa9, 0x80]);
  mkdirSync(join(dir, 'from'));
  writeFileSync(Buffer.concat([Buffer.from(join(dir, 'from/')), name]), '42');
  chmodSync(join(dir, 'from'), 0o777);
  const move = { host: aHost(), fromRoot: dir, fromPath: 'from', toRoot: dir, toPath: 'into', signal: never };
  await moveTree({ ...move, filter: [textOf(name)] });
  expect(readdirSync(join(dir, 'into'), 'buffer')).toEqual([name]);
  expect(readdirSync(join(dir, 'from'))).toEqual([]);
});

it('reads up to a mark, torn or not, and no further than a mark may be long', async () => {
  const read = async (...pieces: string[]) => {
    const stream = new PassThrough();
    let text = '';
    const code = untilMark(stream, 'mark', (chunk) => (text += chunk.toString()));
    for (const piece of pieces) {
      stream.write(piece);
      await sleep(1);
    }
    return { text, code: await code };
  };
  expect(await read('01', '234\nma', 'rk 7', '\n')).toEqual({ text: '01234', code: 7 });
  expect(await read('x\nmark ', 'y'.repeat(100))).toEqual({ text: 'x', code: NaN });
});
