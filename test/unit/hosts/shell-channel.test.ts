import { Readable } from 'node:stream';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

import type { ClientChannel } from 'ssh2';
import { expect, it } from 'vitest';

import { keeping } from '../../../hosts/collect.js';
import { openShell } from '../../../hosts/shell-channel.js';

const aStream = (): Readable => new Readable({ read: () => undefined });

/** A channel whose shell answers each command at once with its marks alone, and that closes instead of answering `gone`. */
function aChannel(): ClientChannel {
  const [stdout, stderr] = [aStream(), aStream()];
  const write = (line: string): void => {
    if (line.includes('gone')) return void stdout.emit('close');
    const [, mark = ''] = /(kilim-[0-9a-f]{24}) %d/.exec(line) ?? [];
    for (const stream of [stdout, stderr]) stream.push(`\n${mark} 0\n`);
  };
  stdout.push('\nbegins 0\n');
  return Object.assign(stdout, { stderr, write }) as unknown as ClientChannel;
}

const heapUsed = (): number => {
  setFlagsFromString('--expose_gc');
  (runInNewContext('gc') as () => void)();
  return process.memoryUsage().heapUsed;
};

it('keeps no memory of the commands that were run on it', async () => {
  const shell = await openShell(aChannel(), 'h', 'begins');
  const runMany = async (): Promise<void> => {
    for (let i = 0; i < 5_000; i++) await shell.run(':', keeping(9));
  };
  await runMany(); // what is compiled and cached on the way counts once
  const before = heapUsed();
  await runMany();
  expect((heapUsed() - before) / 5_000).toBeLessThan(100);
});

it('fails the command under way when the connection breaks, and each that comes later', async () => {
  const shell = await openShell(aChannel(), 'h', 'begins');
  expect(await shell.run(':', keeping(9))).toEqual({ stdout: '', stderr: '', exitCode: 0 });
  for (const command of ['gone', 'echo later'])
    await expect(shell.run(command, keeping(9))).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN' });
  expect(shell.isAlive()).toBe(false);
});
