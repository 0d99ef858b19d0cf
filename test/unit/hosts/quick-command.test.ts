import { once } from 'node:events';
import net, { type AddressInfo } from 'node:net';

import ssh2 from 'ssh2';
import { expect, it } from 'vitest';

import { createHosts } from '../../../hosts/hosts.js';

/** An SSH server whose commands are over in the very packet that says they began. */
async function aQuickServer(): Promise<{ port: number; close: () => void }> {
  const key = ssh2.utils.generateKeyPairSync('ed25519').private;
  const server = new ssh2.Server({ hostKeys: [key] }, (client) => {
    client.on('error', () => undefined);
    client.on('ready', () => void (client as unknown as ssh2.Client).setNoDelay(true)); // else its pieces wait for one another
    client.on('authentication', (context) => context.accept());
    client.on('session', (accept) => {
      accept().on('exec', (begin, _refuse, { command }) => {
        const channel = begin();
        const [, mark = ''] = /'echo ([^;]*);/.exec(command) ?? [];
        channel.write(`Welcome\n${mark}\nsaid\n`);
        channel.exit(7);
        channel.end();
      });
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  // what the server says within some milliseconds arrives as one piece
  const proxy = net.createServer((near) => {
    const far = net.connect((server.address() as AddressInfo).port, '127.0.0.1');
    let held: Buffer[] = [];
    const flush = setInterval(() => {
      if (held.length > 0) near.write(Buffer.concat(held));
      held = [];
    }, 20);
    far.setNoDelay(true).on('data', (chunk) => held.push(chunk)).on('error', () => undefined).on('close', () => (clearInterval(flush), near.destroy())); // prettier-ignore
    near.pipe(far);
    near.on('error', () => undefined).on('close', () => far.destroy());
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  const close = (): void => {
    proxy.close();
    server.close();
  };
  return { port: (proxy.address() as AddressInfo).port, close };
}

it('hears the exit of a command that was over before anybody could listen', async () => {
  const server = await aQuickServer();
  const hosts = createHosts({
    findCredential: () => Promise.resolve({ password: 'x' }),
    hostKeys: { find: () => Promise.resolve(null), pin: () => Promise.resolve() },
    local: { isEnabled: false, runAs: '', home: '/nonexistent' },
  });
  const host = await hosts.open({
    tenant: 't',
    systemId: 's',
    host: '127.0.0.1',
    port: server.port,
    loginUser: 'u',
  });
  for (let round = 0; round < 10; round++) {
    const stream = await host.stream('true');
    let said = '';
    stream.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
    expect(await stream.done).toMatchObject({ exitCode: 7 });
    expect(said).toBe('said\n');
  }
  hosts.close();
  server.close();
});
