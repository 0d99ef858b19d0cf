import { createServer, type AddressInfo, type Socket } from 'node:net';

import { expect, it } from 'vitest';

import { openUrl } from '../../../hosts/fetch-url.js';

it.each([
  ['http://host:99999/a', 'is no URL'],
  ['http://127.0.0.1:1/a', 'its address is not allowed'],
  ['ftp://example.org/a', 'ftp: is not served'],
])('%s is refused for good: %s', async (url, why) => {
  const fetched = openUrl(url, false, new AbortController().signal);
  await expect(fetched).rejects.toMatchObject({
    code: 'TRANSFER_FAILED',
    message: expect.stringContaining(why),
  });
});

it.each([
  'http://127.0.0.1:1/a?sig=secret',
  'http://user:secret@127.0.0.1:1/a',
  'http://user:secret@h:99999/a?secret',
])('a message shows no login and no query: %s', async (url) => {
  const said = await openUrl(url, false, new AbortController().signal).catch((error: unknown) =>
    String(error),
  );
  expect(said).toMatch(/^KilimError: http/);
  expect(said).not.toContain('secret');
});

it('a closed port and one where no web server listens are told alike', async () => {
  const answers: ((socket: Socket) => unknown)[] = [
    (socket) => socket.end('SSH-2.0-OpenSSH_9.2p1\r\n'),
    (socket) => socket.destroy(),
  ];
  const said = new Set<string>();
  const ask = async (port: number) => {
    const url = `http://127.0.0.1:${port}/a`;
    const fetched = openUrl(url, true, new AbortController().signal);
    const error = await fetched.then(() => 'it was fetched', String);
    said.add(error.replace(`:${port}/`, ':PORT/'));
  };
  await ask(1);
  for (const answer of answers) {
    const server = createServer((socket) => void answer(socket.on('error', () => undefined)));
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    await ask((server.address() as AddressInfo).port);
    server.close();
  }
  expect([...said]).toEqual([
    'KilimError: http://127.0.0.1:PORT/a cannot be fetched: no web server answers there',
  ]);
});
