import { readdirSync, readFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import net from 'node:net';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';

import { afterAll, beforeAll, expect, it } from 'vitest';

import { readJson } from '../../../api/read-body.js';
import { serve } from '../../../api/serve.js';
import { upload } from '../../../api/upload.js';
import type { Host } from '../../../hosts/host.js';
import { aTutorial, aWorld, type World } from './a-world.js';

let world: World;
beforeAll(async () => {
  world = await aWorld({ KILIM_TRANSFER_IDLE_SECONDS: '1', KILIM_BODY_SECONDS: '2' });
  await aTutorial(world);
});
afterAll(() => world.close());

/** A raw connection, over which a test sends pieces of a request when it wants to. */
async function aConnection(): Promise<{ send: (text: string) => void; said: Promise<string> }> {
  const socket = net.connect(Number(new URL(world.url).port), '127.0.0.1');
  socket.setNoDelay(true).on('error', () => undefined);
  let text = '';
  socket.on('data', (chunk) => (text += chunk.toString()));
  const said = new Promise<string>((resolve) => socket.once('close', () => resolve(text)));
  await new Promise((resolve) => socket.once('connect', resolve));
  return { send: (words) => void (socket.writable && socket.write(words)), said };
}

const head = async (user: string | null, path: string, type: string, length: number): Promise<string> =>
  [
    `POST ${path} HTTP/1.1`,
    'Host: localhost',
    `Content-Type: ${type}`,
    `Content-Length: ${length}`,
    ...(user ? [`X-Tapis-Token: ${await world.token(user)}`] : []),
    '\r\n',
  ].join('\r\n');

const MULTIPART = 'multipart/form-data; boundary=x';
const BEGIN = '--x\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n';
const END = '\r\n--x--\r\n';
const pieces = 8;

it('lets Node limit the time of headers, and limits the time of bodies itself', () => {
  const { requestTimeout, headersTimeout } = serve(world.deps);
  expect(requestTimeout).toBe(0); // with Node's default, an upload could take five minutes at most
  expect(headersTimeout).toBeGreaterThan(0);
});

it('accepts an upload for as long as pieces of it arrive', async () => {
  const { send, said } = await aConnection();
  const whole = BEGIN.length + END.length + pieces * 1000;
  send(await head('alice', '/v3/files/ops/vm/up/long.txt', MULTIPART, whole));
  send(BEGIN);
  for (let piece = 0; piece < pieces; piece++) {
    await sleep(450);
    send(`${piece}`.repeat(1000));
  }
  send(END);
  void said;
  await expect.poll(() => readdirSync(join(world.data, 'up')), { timeout: 5000 }).toEqual(['long.txt']);
  const expected = Array.from({ length: pieces }, (_, piece) => `${piece}`.repeat(1000)).join('');
  expect(readFileSync(join(world.data, 'up/long.txt'), 'utf8')).toBe(expected);
});

it('ends an upload whose client has stopped sending, says so, and leaves nothing of it', async () => {
  const { send, said } = await aConnection();
  send(await head('alice', '/v3/files/ops/vm/silent/new.txt', MULTIPART, 1e6));
  send(BEGIN + 'begins');
  const answer = await said;
  expect(answer).toMatch(/^HTTP\/1.1 408 .*"status":"error".*REQUEST_TIMEOUT Nothing of the upload/s);
  expect(answer).toMatch(/^Connection: close/im);
  expect(readdirSync(join(world.data, 'silent'))).toEqual([]);
});

it('goes on running when an upload breaks off, whatever its parts are called', async () => {
  const port = Number(new URL(world.url).port);
  const socket = net.connect(port, '127.0.0.1').on('error', () => undefined);
  socket.write(await head('alice', '/v3/files/ops/vm/other.txt', MULTIPART, 1e6));
  socket.write(BEGIN.replace('"file"', '"other"') + 'begins');
  await sleep(300);
  socket.destroy();
  await sleep(300);
  expect((await world.ask('GET', '/v3/healthz')).status).toBe(200);
});

it.each([
  ['a JSON body', 'alice', '/v3/systems', 'application/json', 408],
  ['the body of a new directory', 'alice', '/v3/files/ops/vm', 'application/json', 408],
  ['a body of a client without a token', null, '/v3/files/ops/vm/x', MULTIPART, 401],
])('closes a connection on which %s trickles', async (_what, user, path, type, status) => {
  const { send, said } = await aConnection();
  send(await head(user, path, type, 1000));
  const begin = performance.now();
  const trickle = setInterval(() => send(' '), 200);
  const answer = await said;
  clearInterval(trickle);
  expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} .*"status":"error"`, 's'));
  expect(performance.now() - begin).toBeLessThan(6_000);
});

it('refuses an upload whose client has gone before it begins; its error is caught, or it would end the program', async () => {
  const request = Object.assign(new Readable({ read: () => undefined }), {
    headers: { 'content-type': MULTIPART },
    complete: false,
    socket: { bytesRead: 0 },
  }) as unknown as IncomingMessage;
  request.destroy();
  const uncaught: unknown[] = [];
  const note = (error: unknown): void => void uncaught.push(error);
  process.prependListener('uncaughtException', note);
  const call = {
    request,
    bodyLimit: { lift: () => undefined, impose: () => undefined },
    signal: new AbortController().signal,
  };
  const target = { host: {} as Host, root: '/nowhere', path: 'x', idleMs: 1000 };
  await expect(upload(call, target)).rejects.toMatchObject({
    code: 'INVALID_REQUEST',
    message: expect.stringContaining('the client has gone') as string,
  });
  await sleep(50);
  process.off('uncaughtException', note);
  expect(uncaught).toEqual([]);
});

it('takes a JSON body that breaks off for a fault of the client, not of the service', async () => {
  const broken = new Readable({ read: () => undefined });
  broken.push('{"path":');
  setTimeout(() => broken.destroy(Object.assign(new Error('aborted'), { code: 'ECONNRESET' })), 10);
  const request = Object.assign(broken, { headers: {} }) as unknown as IncomingMessage;
  await expect(readJson(request)).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
});
