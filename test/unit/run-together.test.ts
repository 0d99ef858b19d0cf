import { spawn } from 'node:child_process';

import { expect, it } from 'vitest';

import type { Host } from '../../hosts/host.js';
import { runErrand } from '../../hosts/asked-for.js';
import { runTogether } from '../../hosts/run-together.js';
import type { Reply } from '../../domain/remote-command.js';

/** This machine's bash; counts the scripts. */
function aHost(env = process.env): Host & { scripts: string[] } {
  const scripts: string[] = [];
  return {
    name: 'here',
    identity: () => Promise.resolve('here'),
    scripts,
    run: async (command) => {
      scripts.push(command.line);
      const child = spawn('bash', ['--noprofile', '--norc', '-c', command.line], { env });
      const said: Reply = { stdout: '', stderr: '', exitCode: null };
      child.stdout.on('data', (chunk: Buffer) => (said.stdout += chunk.toString()));
      child.stderr.on('data', (chunk: Buffer) => (said.stderr += chunk.toString()));
      said.exitCode = await new Promise((resolve) => child.on('close', resolve));
      return command.parse(said);
    },
    stream: () => Promise.reject(new Error('not used')),
  };
}

const saying = (line: string) => ({ line, parse: (reply: Reply) => reply });

it('sends a single command at once and as it is', async () => {
  const host = aHost();
  expect(await runTogether(host, saying('echo one; echo two >&2; exit 3'))).toEqual({
    stdout: 'one\n',
    stderr: 'two\n',
    exitCode: 3,
  });
  expect(host.scripts).toEqual(['echo one; echo two >&2; exit 3']);
});

it('sends a crowd as few scripts, and each keeps its own outcome', async () => {
  const host = aHost();
  const replies = await Promise.all(
    Array.from({ length: 20 }, (_, n) =>
      runTogether(host, saying(`printf 'it’s "${n}"\\n\\nlast'; echo 'err ${n}' >&2; exit ${n}`)),
    ),
  );
  replies.forEach((reply, n) =>
    expect(reply).toEqual({ stdout: `it’s "${n}"\n\nlast`, stderr: `err ${n}\n`, exitCode: n }),
  );
  expect(host.scripts.length).toBeLessThanOrEqual(5);
});

it('keeps a command that breaks its shell away from the others', async () => {
  const host = aHost();
  const [, , broken, fine] = await Promise.all(
    ['sleep 0.1', 'sleep 0.1', 'if then', 'echo fine'].map((line) => runTogether(host, saying(line))),
  );
  expect(broken?.exitCode).not.toBe(0);
  expect(fine?.stdout).toBe('fine\n');
});

it('gives the failure of the way to all who were on it', async () => {
  const host = { ...aHost(), run: () => Promise.reject(new Error('the link broke')) };
  const all = await Promise.allSettled(['a', 'b', 'c', 'd'].map((line) => runTogether(host, saying(line))));
  expect(all.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected', 'rejected']);
});

it('runs them one by one on a host whose folder for temporary files is full', async () => {
  const host = aHost({ ...process.env, TMPDIR: '/nowhere' });
  const replies = await Promise.all(
    ['echo 1', 'echo 2', 'echo 3', 'echo 4; exit 4'].map((line) => runTogether(host, saying(line))),
  );
  expect(replies.map(({ stdout, exitCode }) => `${stdout.trim()} ${exitCode ?? ''}`)).toEqual([
    '1 0', '2 0', '3 0', '4 4',
  ]); // prettier-ignore
});

it('takes the commands of several users in turn', async () => {
  const host = aHost();
  const order: string[] = [];
  const send = (user: string, n: number) =>
    Array.from({ length: n }, () =>
      runErrand({ user }, () => runTogether(host, saying('true')).then(() => order.push(user))),
    );
  await Promise.all([...send('alice', 60), ...send('bob', 2)]);
  expect(order).toHaveLength(62);
  // two single commands of alice run when those of bob are sent; these are in the first script that follows
  expect(order.lastIndexOf('bob')).toBeLessThan(20);
});
