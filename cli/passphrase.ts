import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { text } from 'node:stream/consumers';

const SHORTEST = 12;

/**
 * From the standard input, never from the command line or the environment, which others can read: the first line of a
 * file or pipe, or typed unseen at a terminal.
 * @param which a new one must be long enough to keep the secrets of a whole installation
 */
export async function readPassphrase(which: 'new' | 'known'): Promise<string> {
  const given = process.stdin.isTTY ? await typed() : ((await text(process.stdin)).split(/\r?\n/)[0] ?? '');
  if (given === '')
    throw new Error(
      'The passphrase is empty. It is read from the standard input: kilim backup FILE < PASSPHRASE-FILE.',
    );
  if (which === 'new' && given.length < SHORTEST)
    throw new Error(
      `The passphrase must have at least ${SHORTEST} characters: it keeps the keys of the installation.`,
    );
  return given;
}

async function typed(): Promise<string> {
  process.stderr.write('Passphrase: ');
  const nothing = new Writable({ write: (_chunk, _encoding, done) => done() });
  const terminal = createInterface({ input: process.stdin, output: nothing, terminal: true });
  try {
    return await terminal.question('');
  } finally {
    terminal.close();
    process.stderr.write('\n');
  }
}
