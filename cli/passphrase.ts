import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { text } from 'node:stream/consumers';

const SHORTEST = 12;

/**
 * Reads the passphrase from the standard input, never from the command line or the environment, which other accounts can
 * read: the first line of a file or pipe, or typed unseen at a terminal.
 * @param which a new passphrase must be long enough to protect the secrets of a whole installation, and is typed twice
 */
export async function readPassphrase(which: 'new' | 'known'): Promise<string> {
  const given = process.stdin.isTTY
    ? await typed('Passphrase: ')
    : ((await text(process.stdin)).split(/\r?\n/)[0] ?? '');
  if (given === '')
    throw new Error(
      `The passphrase is empty. It is read from the standard input: kilim ${which === 'new' ? 'backup' : 'restore'} FILE < PASSPHRASE-FILE.`,
    );
  if (which === 'new' && given.length < SHORTEST)
    throw new Error(
      `The passphrase must have at least ${SHORTEST} characters: it protects the keys of the installation.`,
    );
  // a backup that was sealed by a mistyped passphrase can never be opened again
  if (which === 'new' && process.stdin.isTTY && (await typed('The same passphrase again: ')) !== given)
    throw new Error('The two passphrases differ; no backup was made.');
  return given;
}

async function typed(prompt: string): Promise<string> {
  process.stderr.write(prompt);
  const nothing = new Writable({ write: (_chunk, _encoding, done) => done() });
  const terminal = createInterface({ input: process.stdin, output: nothing, terminal: true });
  try {
    return await terminal.question('');
  } finally {
    terminal.close();
    process.stderr.write('\n');
  }
}
