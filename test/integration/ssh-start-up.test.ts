import { text } from 'node:stream/consumers';

import { describe, expect, it } from 'vitest';

import type { Reply } from '../../domain/remote-command.js';
import type { Host } from '../../hosts/host.js';
import { runTogether } from '../../hosts/run-together.js';
import { atHome, withSshd, type Asked } from '../support/an-sshd.js';
import { part } from '../support/testbed.js';

/* What stands between a login and a command: the account's start-up files, a site's ForceCommand. */

const LONG = `# ${'x'.repeat(200_000)}\n`; // fits no argument
const BINARY = Buffer.from([0, 1, 2, 255, 0]);
const reply = (line: string, stdin?: string | Buffer) => ({
  line,
  timeoutSeconds: 20,
  ...(stdin === undefined ? {} : { stdin }),
  parse: (all: Reply) => all,
});

async function streamed(host: Host, line: string, stdin: string | Buffer): Promise<Reply> {
  const stream = await host.stream(line);
  stream.stdin.end(stdin);
  const stdout = await text(stream.stdout);
  return { stdout, ...(await stream.done) };
}

/** Every way that a command can take, with what each must say. */
const WAYS: [string, (host: Host) => Promise<unknown>, unknown][] = [
  ['a command', (host) => host.run(reply('echo out; echo err >&2; exit 3')), { stdout: 'out\n', stderr: 'err\n', exitCode: 3 }],
  ['a command that is told a text', (host) => host.run(reply('cat', 'told\nmore\n')), { stdout: 'told\nmore\n', stderr: '', exitCode: 0 }],
  ['a command that is told bytes', (host) => host.run(reply('od -An -tu1; exit 4', BINARY)), { stdout: '   0   1   2 255   0\n', stderr: '', exitCode: 4 }],
  ['a long script', (host) => host.run(reply(`${LONG}echo long; exit 5`)), { stdout: 'long\n', stderr: '', exitCode: 5 }],
  ['a long script that is told something', (host) => host.run(reply(`${LONG}cat >&2`, 'told\n')), { stdout: '', stderr: 'told\n', exitCode: 0 }],
  ['a stream', (host) => streamed(host, 'cat; echo err >&2; exit 6', 'first\nlast'), { stdout: 'first\nlast', stderr: 'err\n', exitCode: 6 }],
  ['a stream of a long script', (host) => streamed(host, `${LONG}od -An -tu1`, BINARY), { stdout: '   0   1   2 255   0\n', stderr: '', exitCode: 0 }],
  [
    'commands that travel together',
    (host) => Promise.all(['a', 'b', 'c', 'd'].map(async (word) => (await runTogether(host, reply(`echo ${word}`))).stdout)),
    ['a\n', 'b\n', 'c\n', 'd\n'],
  ],
]; // prettier-ignore

async function expectEveryWay(host: Host): Promise<void> {
  const all = await Promise.all(WAYS.map(async ([way, go]) => [way, await go(host)]));
  expect(Object.fromEntries(all)).toEqual(Object.fromEntries(WAYS.map(([way, , says]) => [way, says])));
}

const behind = (script: string): Asked => ({
  settings: ['ForceCommand $HERE/serve'],
  files: { serve: `#!/bin/bash\n${script}\n` },
});

describe.runIf(part('vm-ssh') && process.getuid?.() === 0)('commands on a host', () => {
  it.concurrent.each([
    ['print', 'printf "Welcome!\\nno end"; echo warning >&2'],
    ['read a line', 'read -r -t 0.3 line'],
    ['read all that is there', 'while IFS= read -r -t 0.3 line; do :; done'],
    ['set traps', `trap 'echo bye' EXIT; trap 'echo debug' DEBUG; trap 'echo error' ERR; trap 'echo hup' HUP; trap '' TERM`],
    ['are strict, and want it of all', 'set -efu -o pipefail; export SHELLOPTS'],
    ['are read by every bash, and print', 'export BASH_ENV="$HOME/.bashrc" SOURCED=$((SOURCED + 1)); echo Welcome'],
  ])(
    'are not disturbed by start-up files that %s',
    (_what, bashrc) => withSshd(atHome(bashrc), async ({ host }) => expectEveryWay(await host())),
    60_000,
  ); // prettier-ignore

  it.concurrent(
    'read once what every bash reads, not with each command, and hand it on',
    () =>
      withSshd(atHome('export BASH_ENV="$HOME/.bashrc" SOURCED=$((SOURCED + 1))'), async ({ host }) => {
        const there = await host();
        const sourced = 'echo "${BASH_ENV##*/} $SOURCED"; bash -c "echo \\$SOURCED"';
        // by the login shell and by the first bash of ours; then by what the command starts
        const expected = { stdout: '.bashrc 2\n3\n', stderr: '', exitCode: 0 };
        expect(await there.run(reply(sourced))).toEqual(expected);
        expect(await there.run(reply(sourced, BINARY))).toEqual(expected);
        expect(await Promise.all([1, 2, 3].map(() => runTogether(there, reply(sourced))))).toEqual([
          expected,
          expected,
          expected,
        ]);
      }),
    60_000,
  );

  it.concurrent(
    'run by themselves where no shell may stay',
    () =>
      withSshd(
        behind(
          [
            `case $SSH_ORIGINAL_COMMAND in *"exec bash --noprofile --norc'" | 'exec bash --noprofile --norc')`,
            `  echo 'this host serves commands only' >&2; exit 1 ;;`,
            `esac`,
            `exec bash -c "$SSH_ORIGINAL_COMMAND"`,
          ].join('\n'),
        ),
        async ({ host }) => expectEveryWay(await host()),
      ),
    60_000,
  );

  it.concurrent(
    'run by themselves where none is told anything',
    () =>
      withSshd(behind('exec bash -c "$SSH_ORIGINAL_COMMAND" < /dev/null'), async ({ host }) => {
        const there = await host();
        for (const [, go, says] of WAYS.slice(0, 1)) expect(await go(there)).toEqual(says);
        expect((await runTogether(there, reply('echo together'))).stdout).toBe('together\n');
      }),
    60_000,
  );

  it.concurrent(
    'are refused, with the cause, where a start-up file ends every one',
    () =>
      withSshd(atHome('exit 0'), async ({ host }) => {
        await expect((await host()).run(reply('echo hello'))).rejects.toMatchObject({
          code: 'HOST_LOGIN_REFUSED',
          message: expect.stringMatching(/ends with 0 .*\.bashrc/) as string,
        });
      }),
    60_000,
  );
});
