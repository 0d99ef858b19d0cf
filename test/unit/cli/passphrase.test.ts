import { PassThrough } from 'node:stream';

import { expect, it, vi } from 'vitest';

import { readPassphrase } from '../../../cli/passphrase.js';

const GOOD = 'correct horse battery';

/** Takes the place of the standard input; at a terminal each line is typed when a prompt asks for it. */
function input(lines: string[], isTTY: boolean): void {
  const stream = Object.assign(new PassThrough(), { isTTY });
  const rest = [...lines];
  vi.spyOn(process, 'stdin', 'get').mockReturnValue(stream as unknown as typeof process.stdin);
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    if (isTTY && String(text).endsWith(': ')) setImmediate(() => stream.write(`${rest.shift() ?? ''}\n`));
    return true;
  });
  if (!isTTY) stream.end(lines.join('\n'));
}

it('takes the first line of a file', async () => {
  input([GOOD, 'another line'], false);
  expect(await readPassphrase('new')).toBe(GOOD);
});

it('refuses a new passphrase that is short', async () => {
  input(['short'], false);
  await expect(readPassphrase('new')).rejects.toThrow('must have at least 12 characters');
});

it.each([
  ['new', 'kilim backup FILE'],
  ['known', 'kilim restore FILE'],
] as const)('says how a %s passphrase is given where it is empty', async (which, command) => {
  input([''], false);
  await expect(readPassphrase(which)).rejects.toThrow(command);
});

it('asks twice for a new passphrase at a terminal, and refuses two that differ', async () => {
  input([GOOD, GOOD], true);
  expect(await readPassphrase('new')).toBe(GOOD);
  input([GOOD, 'correct horse batterz'], true);
  await expect(readPassphrase('new')).rejects.toThrow('The two passphrases differ');
});

it('asks once for a known passphrase at a terminal', async () => {
  input([GOOD], true);
  expect(await readPassphrase('known')).toBe(GOOD);
});
