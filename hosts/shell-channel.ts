import { randomBytes } from 'node:crypto';
import type { Readable } from 'node:stream';

import type { ClientChannel } from 'ssh2';

import { KilimError } from '../domain/errors.js';
import type { Reply } from '../domain/remote-command.js';
import { quote } from '../domain/shell.js';
import { keeping, paced, STDERR_BYTES, type Sink } from './collect.js';
import { endChannel } from './ssh.js';

/**
 * A bash that stays, fed over its stdin: the login shell's start-up files run once and not for every command.
 * Every command is a bash of its own, so nothing of it stays behind; both outputs end with a random mark.
 */
export interface ShellChannel {
  /** One at a time. @throws KilimError OUTCOME_UNKNOWN when the channel broke */
  run: (script: string, said: Sink, stdin?: Buffer) => Promise<Reply>;
  isAlive: () => boolean;
  /** Ends what runs on it. */
  end: () => void;
}

/** What replaces the login shell, whichever it is. */
export const SHELL = 'exec bash --noprofile --norc';

/**
 * No strictness that an account exports (SHELLOPTS) reaches our scripts. Messages of tools are read by their English
 * words; the rest of the account's language stays as it is.
 */
export const AS_USUAL =
  'set +efu +o pipefail; [ -z "$LC_ALL" ] || export LANG="$LC_ALL"; unset LC_ALL; export LC_MESSAGES=C';

/**
 * A bash reads `$BASH_ENV` (at many sites the modules, or all of .bashrc) each time: the shells between the login and a
 * command need it once, what the command starts gets it as it was.
 */
export const WITHOUT_BASH_ENV = 'KILIM_BASH_ENV="$BASH_ENV" BASH_ENV= bash --noprofile --norc -c';
export const WITH_BASH_ENV =
  '[ -z "$KILIM_BASH_ENV" ] && unset BASH_ENV || export BASH_ENV="$KILIM_BASH_ENV"; unset KILIM_BASH_ENV; ';

/** Says the mark when the start-up files are through: what they read is not meant for the shell. */
export const shellLine = (mark: string): string =>
  `${SHELL} -c '${AS_USUAL}; export KILIM_BASH_ENV="$BASH_ENV" BASH_ENV=; echo; echo ${mark} 0; ${SHELL}'`;

/** One argument of a command may be 128 KiB (Linux: MAX_ARG_STRLEN). */
export const MAX_SCRIPT_BYTES = 96 * 1024;

/** More would leave the pipe and become a temporary file of the host's. */
const MAX_STDIN_BYTES = 32 * 1024;
/** The longest text that an exit code after a mark can be. */
const MAX_CODE_BYTES = 32;
const READY_MS = 15_000;

/** What a here-document can carry: whole lines of text. */
export const fitsShell = (stdin: Buffer): boolean =>
  stdin.length <= MAX_STDIN_BYTES && stdin.at(-1) === 0x0a && !stdin.includes(0);

/** Nothing but its start-up files can end a login shell before it runs what it was given. */
export const endedEarly = (name: string, code: number): KilimError =>
  new KilimError(
    'HOST_LOGIN_REFUSED',
    `The login shell on ${name} ends with ${code} before it runs a command: a start-up file of the account ` +
      '(.bashrc, .cshrc, …) ends it, or bash is missing there.',
  );

/** Waits until the shell answers; what start-up files printed before its mark is dropped. */
export async function openShell(channel: ClientChannel, name: string, begin: string): Promise<ShellChannel> {
  let isAlive = true;
  let hasEnded: () => void = () => undefined;
  channel.on('close', () => {
    isAlive = false;
    hasEnded();
  });
  channel.on('error', () => undefined);
  // one promise for each wait: a promise as old as the shell would keep something of every race that it took part in
  const ended = (): Promise<never> =>
    new Promise((_resolve, reject) => {
      hasEnded = () =>
        reject(new KilimError('OUTCOME_UNKNOWN', `The connection to ${name} broke before the answer came.`));
      if (!isAlive) hasEnded();
    });
  const run = async (script: string, said: Sink, stdin?: Buffer): Promise<Reply> => {
    const complained = keeping(STDERR_BYTES);
    const mark = `kilim-${randomBytes(12).toString('hex')}`;
    const both = Promise.all([
      untilMark(channel, mark, said.take),
      untilMark(channel.stderr, mark, complained.take),
    ]);
    const tells = `printf '\\n${mark} 0\\n' >&2; printf '\\n${mark} %d\\n' "$code"\n`;
    const line = `bash --noprofile --norc -c ${quote(WITH_BASH_ENV + script)}`;
    if (stdin) {
      const here = Buffer.from(`${line} <<'${mark}'; code=$?\n`);
      channel.write(Buffer.concat([here, stdin, Buffer.from(`${mark}\n${tells}`)]));
    } else channel.write(`${line} </dev/null; code=$?\n${tells}`);
    const [exitCode] = await Promise.race([both, ended()]);
    return { stdout: said.text(), stderr: complained.text(), exitCode };
  };
  const end = (): void => {
    isAlive = false;
    endChannel(channel);
  };
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error('the shell did not answer')), READY_MS);
  });
  try {
    channel.stderr.resume();
    await Promise.race([untilMark(channel, begin), ended(), late]);
    await Promise.race([run(':', keeping(0)), late]);
  } catch (error) {
    end();
    throw error;
  } finally {
    clearTimeout(timer);
  }
  return { run, isAlive: () => isAlive, end };
}

/** Hands on what comes before the mark, and resolves with the exit code that follows it. */
export const untilMark = (
  stream: Readable,
  mark: string,
  take: (chunk: Buffer) => void = () => undefined,
): Promise<number> =>
  new Promise((resolve) => {
    const needle = Buffer.from(`\n${mark} `);
    let last = Buffer.alloc(0);
    const look = paced(stream, (chunk) => {
      // a mark may be torn: as many bytes as it has are held back
      const seen = Buffer.concat([last, chunk]);
      const at = seen.indexOf(needle);
      const from = at + needle.length;
      const end = at < 0 ? -1 : seen.indexOf('\n', from);
      const isOver = end >= 0 || (at >= 0 && seen.length - from > MAX_CODE_BYTES);
      const known = at >= 0 ? at : Math.max(0, seen.length - needle.length);
      if (known > 0) take(seen.subarray(0, known));
      last = seen.subarray(known);
      if (!isOver) return;
      stream.off('data', look);
      resolve(end < 0 ? NaN : Number(seen.subarray(from, end).toString()));
    });
    stream.on('data', look);
  });
