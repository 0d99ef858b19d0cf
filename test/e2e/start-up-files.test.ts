import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';

import type { Host } from '../../hosts/host.js';
import { createHosts, type Hosts } from '../../hosts/hosts.js';
import { part } from '../support/testbed.js';

/* What the account's own start-up files do comes before every command; none of it is taken for the command's. */

const vm = part('vm-ssh');
const bashrc = join(vm?.home ?? '/nonexistent', '.bashrc');
const hanging = join(vm?.home ?? '/nonexistent', 'start-up-hangs');

describe.runIf(vm && process.getuid?.() === 0)('start-up files over SSH', () => {
  let hosts: Hosts;
  let host: Host;
  beforeEach(async () => {
    if (existsSync(bashrc)) renameSync(bashrc, `${bashrc}.away`);
    hosts = createHosts({
      findCredential: () => Promise.resolve({ privateKey: readFileSync(vm?.privateKeyFile ?? '', 'utf8') }),
      hostKeys: { find: () => Promise.resolve(null), pin: () => Promise.resolve() },
      local: { isEnabled: false, runAs: 'nobody', home: '/nowhere' },
    });
    host = await hosts.open(address());
  });
  const address = () => ({
    tenant: 'dev',
    systemId: 'vm',
    loginUser: vm?.user ?? '',
    host: '127.0.0.1',
    port: vm?.port ?? 0,
  });
  const mend = (): void => {
    rmSync(bashrc, { force: true });
    rmSync(hanging, { recursive: true, force: true });
  };
  afterEach(() => {
    hosts.close();
    mend();
    if (existsSync(`${bashrc}.away`)) renameSync(`${bashrc}.away`, bashrc);
  });
  afterAll(mend);

  const say = (line: string, stdin?: Buffer) =>
    host.run({ line, ...(stdin ? { stdin } : {}), timeoutSeconds: 5, parse: ({ stdout }) => stdout });
  const streamed = async (line: string): Promise<string> => {
    const { stdin, stdout, done } = await host.stream(line);
    stdin.end('told\n');
    const said = await text(stdout);
    expect(await done).toMatchObject({ exitCode: 0 });
    return said;
  };

  it('that print lines like a mark of ours change nothing of what a command says', async () => {
    writeFileSync(
      bashrc,
      'for _ in 1 2 3; do echo "kilim: here it starts"; echo kilim-0123456789abcdef; done\n',
      {
        mode: 0o644,
      },
    );
    expect(await say('echo hello')).toBe('hello\n');
    expect(await say('cat', Buffer.from([0, 1, 2]))).toBe('\u0000\u0001\u0002'); // no shell can carry this
    expect(await streamed('cat; echo end')).toBe('told\nend\n');
  }, 60_000);

  it('that speak another language leave the messages of tools in English', async () => {
    writeFileSync(bashrc, 'export LC_ALL=de_DE.UTF-8 LANGUAGE=de LC_MESSAGES=de_DE.UTF-8\n', { mode: 0o644 });
    const language = 'echo "${LC_ALL-unset} $LANG $LC_MESSAGES"';
    const expected = 'unset de_DE.UTF-8 C\n';
    expect(await say(language)).toBe(expected);
    expect(await say(`${language}; cat > /dev/null`, Buffer.from([0]))).toBe(expected);
    expect(await streamed(`cat > /dev/null; ${language}`)).toBe(expected);
  }, 60_000);

  it.each([0, 1])(
    'that end every shell with %i are a login that is refused, whatever was to be done; mended, all is done',
    async (code) => {
      const refused = {
        code: 'HOST_LOGIN_REFUSED',
        message: expect.stringContaining(`ends with ${code} before it runs a command`) as string,
      };
      writeFileSync(bashrc, `exit ${code}\n`, { mode: 0o644 });
      await expect(say('echo hello')).rejects.toMatchObject(refused);
      await expect(say('cat', Buffer.from([0]))).rejects.toMatchObject(refused); // no shell can carry this
      await expect(streamed('cat')).rejects.toMatchObject(refused);
      await expect(hosts.probe(address())).rejects.toMatchObject(refused);
      mend();
      expect(await say('echo hello')).toBe('hello\n');
      expect(await say('cat', Buffer.from([0]))).toBe('\u0000');
      expect(await streamed('cat')).toBe('told\n');
      await hosts.probe(address());
    },
    60_000,
  );

  it('that hang are a host that does not answer, in bounded time; mended, it answers', async () => {
    mkdirSync(hanging);
    // ends when the test is over, and starts no process that could stay
    writeFileSync(bashrc, `exec 9<> <(:); while [ -d '${hanging}' ]; do read -rt 0.2 -u 9 _; done\n`, {
      mode: 0o644,
    });
    const begin = Date.now();
    const refused = expect(host.stream('cat')).rejects.toMatchObject({
      code: 'HOST_TIMEOUT',
      message: expect.stringContaining('start-up files of the account do not come to an end') as string,
    });
    await expect(say('echo hello')).rejects.toMatchObject({ code: 'HOST_TIMEOUT' });
    expect(Date.now() - begin).toBeLessThan(30_000);
    await refused;
    expect(Date.now() - begin).toBeLessThan(80_000);
    mend();
    // after a command without an answer, only probes are sent for as long as that command took
    await hosts.probe(address());
    expect(await say('echo hello')).toBe('hello\n');
    expect(await streamed('cat')).toBe('told\n');
  }, 150_000);
});
