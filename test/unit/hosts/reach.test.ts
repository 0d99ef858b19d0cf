import { createHash } from 'node:crypto';
import { createServer, type AddressInfo, type Socket } from 'node:net';

import ssh2 from 'ssh2';
import { afterAll, beforeAll, expect, it } from 'vitest';

import { KilimError } from '../../../domain/errors.js';
import { addressesOf, lookupIn, type Reach } from '../../../hosts/reach.js';
import { connectSsh } from '../../../hosts/ssh.js';

/** What is listened to on this machine: nothing, something that is no sshd, one that hangs up, one that breaks off. */
const stops: (() => unknown)[] = [];
let hostKey = '';
const ports: Record<string, number> = { closed: 1 };
const BEHAVIOURS: Record<string, (socket: Socket) => void> = {
  'no sshd': (socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'),
  'hangs up': (socket) => socket.destroy(),
  'a banner and no more': (socket) => socket.end('SSH-2.0-OpenSSH_9.2p1\r\n'),
};

beforeAll(async () => {
  const key = ssh2.utils.generateKeyPairSync('ed25519');
  const blob = ssh2.utils.parseKey(key.private);
  if (blob instanceof Error) throw blob;
  const digest = createHash('sha256').update((Array.isArray(blob) ? blob[0] : blob)?.getPublicSSH() ?? '');
  hostKey = `SHA256:${digest.digest('base64').replace(/=+$/, '')}`;
  const sshd = new ssh2.Server({ hostKeys: [key.private] }, (client) =>
    client.on('error', () => undefined).on('authentication', (login) => login.reject()),
  );
  await new Promise<void>((listening) => sshd.listen(0, '127.0.0.1', listening));
  ports['sshd'] = (sshd.address() as AddressInfo).port;
  stops.push(() => sshd.close());
  for (const [name, answer] of Object.entries(BEHAVIOURS)) {
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      answer(socket);
    });
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    ports[name] = (server.address() as AddressInfo).port;
    stops.push(() => server.close());
  }
});
afterAll(() => stops.forEach((stop) => stop()));

const failed = async (port: number, reach?: Reach, pinned: string | null = null, host = '127.0.0.1') => {
  const address = { tenant: 'dev', systemId: 's', host, port, loginUser: 'bob' };
  const keys = { find: () => Promise.resolve(pinned), pin: () => Promise.resolve() };
  const error: unknown = await connectSsh(address, { password: 'x' }, keys, reach).catch(
    (why: unknown) => why,
  );
  if (!(error instanceof KilimError)) throw new Error('the login succeeded');
  return { code: error.code, message: error.message.replace(`:${port} `, ':PORT ') };
};

it('a failed connection to a host where no login has succeeded says the same whatever listens there', async () => {
  const reach = { allowed: null, isTold: false };
  const all = await Promise.all(Object.values(ports).map((port) => failed(port, reach)));
  const unknown = await failed(22, reach, null, 'no-such-host.invalid');
  expect(new Set(all.map((one) => JSON.stringify(one))).size).toBe(1);
  expect(all[0]).toEqual({ code: 'HOST_UNREACHABLE', message: expect.stringContaining('no SSH server answers there, or it refuses') }); // prettier-ignore
  expect(unknown.message.replace('no-such-host.invalid', '127.0.0.1').replace(':22 ', ':PORT ')).toBe(
    all[0]?.message,
  );
});

it('a host with a pinned key says why it refuses a login, and nothing where its name leads elsewhere', async () => {
  const reach = { allowed: null, isTold: false };
  expect((await failed(ports['sshd'] ?? 0, reach, hostKey)).message).toContain('refused the login');
  expect((await failed(ports['sshd'] ?? 0, reach, 'SHA256:other')).code).toBe('HOST_KEY_CHANGED');
  const others = Object.entries(ports).filter(([name]) => name !== 'sshd');
  const all = await Promise.all(others.map(([, port]) => failed(port, reach, hostKey)));
  expect(new Set(all.map((one) => JSON.stringify(one))).size).toBe(1);
  expect(all[0]?.message).toMatch(/cannot be reached\.$/);
});

it('a host in the list of allowed hosts says why a connection to it failed', async () => {
  const reach = { allowed: ['127.0.0.0/8'], isTold: false };
  expect((await failed(ports['closed'] ?? 0, reach)).message).toContain('ECONNREFUSED');
  expect((await failed(ports['sshd'] ?? 0, reach)).message).toContain('refused the login');
});

it.each([
  ['127.0.0.1', ['127.0.0.0/8'], true],
  ['127.0.0.1', ['10.0.0.0/8', '127.0.0.1'], true],
  ['localhost', ['LocalHost'], true],
  ['localhost', ['*'], true],
  ['::1', ['::1/128'], true],
  ['127.0.0.1', ['10.0.0.0/8'], false],
  ['localhost', ['*.localhost', 'example.org'], false],
  ['::ffff:127.0.0.1', ['10.0.0.0/8'], false],
])('%s among %j: %s', async (host, allowed, isListed) => {
  const found = addressesOf(host, host, { allowed, isTold: false });
  if (isListed) await expect(found).resolves.toMatchObject({ isListed: true });
  else await expect(found).rejects.toMatchObject({ code: 'HOST_LOGIN_REFUSED' });
});

it('a link-local address is refused whatever the settings allow', async () => {
  const found = addressesOf('169.254.169.254', 'x', { allowed: ['*', '169.254.0.0/16'], isTold: true });
  await expect(found).rejects.toMatchObject({ message: expect.stringContaining('not allowed') });
});

it('a socket asks no resolver a second time', () => {
  const seen: unknown[] = [];
  const known = [{ address: '192.0.2.7', family: 4 }];
  lookupIn(known)('rebound.example', { all: true }, (...said) => seen.push(said));
  lookupIn(known)('rebound.example', {}, (...said) => seen.push(said));
  expect(seen).toEqual([[null, known], [null, '192.0.2.7', 4]]); // prettier-ignore
});
