import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';

import { afterAll, expect, it, vi } from 'vitest';

import { connectSsh } from '../../../hosts/ssh.js';

/* Only the look-up that is asked first knows this name; the resolver of a socket would not. */
vi.mock('node:dns', async (original) => ({
  ...(await original<typeof import('node:dns')>()),
  lookup: (_name: string, _options: object, answer: (error: null, found: object[]) => void) =>
    answer(null, [{ address: '127.0.0.1', family: 4 }]),
}));

const server = createServer((socket) => socket.destroy());
afterAll(() => void server.close());

it('connects to the address that was looked at, and has no name resolved a second time', async () => {
  await once(server.listen(0, '127.0.0.1'), 'listening');
  let reached = 0;
  server.on('connection', () => reached++);
  const { port } = server.address() as AddressInfo;
  const address = { tenant: 'dev', systemId: 's', host: 'rebound.invalid', port, loginUser: 'bob' };
  const keys = { find: () => Promise.resolve(null), pin: () => Promise.resolve() };
  await expect(connectSsh(address, { password: 'x' }, keys)).rejects.toMatchObject({
    code: 'HOST_UNREACHABLE',
  });
  expect(reached).toBe(1);
});
