import { randomBytes } from 'node:crypto';

import type { ClientChannel } from 'ssh2';

import { KilimError } from '../domain/errors.js';
import type { RemoteCommand, Reply } from '../domain/remote-command.js';
import { collect, silence, tail } from './collect.js';
import type { Host } from './host.js';
import { AS_USUAL, endedEarly, fitsShell, MAX_SCRIPT_BYTES } from './shell-channel.js';
import { endChannel, exitCodeOf } from './ssh.js';
import type { SshPool } from './ssh-pool.js';

const STDERR_BYTES = 16_384;
/** What may take longer gets a shell only while there is room for the others. */
const SHORT_SECONDS = 120;
/** After the exit, for output that is still under way. */
const QUIET_MS = 500;

type Run = (command: RemoteCommand<unknown>, signal?: AbortSignal) => Promise<Reply>;

/** Which host it is, the pool's owner knows. */
export type SshHost = Omit<Host, 'identity'>;

/** A host over SSH. What fits goes through a shell that stays, the rest through channels of their own. */
export function sshHost(name: string, pool: SshPool): SshHost {
  const onChannel: Run = async (command, signal) => {
    const { line, head, mark } = wrap(command.line);
    const opened = await pool.channel(line, signal);
    const end = exitOf(opened, name);
    const reply = collect(opened, opened.stderr);
    const input = Buffer.concat([head, Buffer.from(command.stdin ?? '')]);
    if (input.length === 0) opened.end();
    else void untilSaid(mark, opened).then(() => opened.writable && opened.end(input));
    return guard(
      name,
      command,
      signal,
      () => endChannel(opened),
      async () => {
        const exitCode = await end.exit;
        await Promise.race([end.close, silence([opened, opened.stderr], QUIET_MS)]);
        if (!end.isClosed()) endChannel(opened); // a child in the background holds the pipe
        const { stdout, stderr } = await reply;
        if (exitCode !== null && !stdout.includes(`${mark}\n`)) throw endedEarly(name, exitCode);
        return { stdout: afterMark(mark, stdout), stderr: afterMark(mark, stderr), exitCode };
      },
    );
  };

  const onShell: Run = async (command, signal) => {
    const lent = await pool.shell((command.timeoutSeconds ?? 60) > SHORT_SECONDS, signal);
    if (!lent) return onChannel(command, signal);
    const { stdin } = command;
    try {
      return await guard(name, command, signal, lent.shell.end, () =>
        lent.shell.run(command.line, stdin === undefined ? undefined : Buffer.from(stdin)),
      );
    } finally {
      lent.giveBack();
    }
  };

  return {
    name,
    async run(command, options) {
      const { line, stdin } = command;
      const fits =
        (stdin === undefined || fitsShell(Buffer.from(stdin))) && Buffer.byteLength(line) <= MAX_SCRIPT_BYTES;
      return command.parse(await (fits ? onShell : onChannel)(command, options?.signal));
    },
    async stream(script, options) {
      const { line, head, mark } = wrap(script);
      const signal = options?.signal;
      const opened = await pool.channel(line, signal);
      const end = exitOf(opened, name);
      // ssh2's own would free nothing while output is waiting
      opened.destroy = () => {
        // both ways are through: this is the stream's own tidying up, and the command is about to tell its exit code
        if (!(opened.readableEnded && opened.writableFinished)) endChannel(opened);
        return opened;
      };
      const abort = (): void => endChannel(opened);
      if (signal?.aborted) abort();
      signal?.addEventListener('abort', abort, { once: true });
      const stderr = tail(opened.stderr, STDERR_BYTES);
      const began = skipToMark(mark, opened, name);
      const done = end.close
        .then(() => end.exit)
        .then(async (exitCode) => {
          if (exitCode !== null && !(await began)) throw endedEarly(name, exitCode);
          return { exitCode, stderr: afterMark(mark, await stderr) };
        })
        .finally(() => signal?.removeEventListener('abort', abort));
      done.catch(() => undefined);
      await began;
      if (head.length > 0 && opened.writable) opened.write(head);
      return { stdin: opened, stdout: opened, done };
    },
  };
}

/** Ends the command when its time is over or its caller is not interested any more. */
async function guard(
  name: string,
  { timeoutSeconds = 60 }: RemoteCommand<unknown>,
  signal: AbortSignal | undefined,
  end: () => void,
  work: () => Promise<Reply>,
): Promise<Reply> {
  let timer: NodeJS.Timeout | undefined;
  let abort = (): void => undefined;
  const stopped = new Promise<never>((_resolve, reject) => {
    const stop = (error: KilimError): void => {
      reject(error);
      end();
    };
    timer = setTimeout(
      () =>
        stop(new KilimError('HOST_TIMEOUT', `${name} did not finish a command within ${timeoutSeconds} s.`)),
      timeoutSeconds * 1000,
    );
    abort = () => stop(new KilimError('OUTCOME_UNKNOWN', `A command on ${name} was aborted.`));
    if (signal?.aborted) abort();
    signal?.addEventListener('abort', abort, { once: true });
  });
  const reply = work();
  reply.catch(() => undefined);
  try {
    return await Promise.race([reply, stopped]);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', abort);
  }
}

interface End {
  /** The exit code; rejects when the channel ended without one. */
  exit: Promise<number | null>;
  close: Promise<void>;
  isClosed: () => boolean;
}

function exitOf(channel: ClientChannel, name: string): End {
  let isClosed = false;
  let close: () => void;
  const closed = new Promise<void>((resolve) => (close = resolve));
  const exit = new Promise<number | null>((resolve, reject) => {
    void exitCodeOf(channel).then(resolve);
    channel.on('error', () => undefined);
    channel.on('close', () => {
      isClosed = true;
      close();
      // after an exit that was noted before
      setImmediate(() =>
        reject(new KilimError('OUTCOME_UNKNOWN', `The connection to ${name} broke before the answer came.`)),
      );
    });
  });
  exit.catch(() => undefined);
  return { exit, close: closed, isClosed: () => isClosed };
}

/** Start-up files that take longer than this are taken to hang. */
const START_MS = 60_000;

/** What start-up files of the account print comes before the mark, and is nobody's output. */
const afterMark = (mark: string, text: string): string => {
  const at = text.indexOf(`${mark}\n`);
  return at < 0 ? text : text.slice(at + mark.length + 1);
};

/** Resolves at the mark: what is sent before may be read by start-up files. */
const untilSaid = (word: string, stream: ClientChannel): Promise<void> =>
  new Promise((resolve) => {
    let seen = '';
    const look = (chunk: Buffer): void => {
      seen = seen.slice(-word.length) + chunk.toString('latin1');
      if (!seen.includes(`${word}\n`)) return;
      stream.off('data', look);
      resolve();
    };
    stream.on('data', look);
  });

/** Reads up to the mark, and not a byte of what follows; false where the channel ended without it. */
function skipToMark(word: string, stream: ClientChannel, name: string): Promise<boolean> {
  const mark = Buffer.from(`${word}\n`);
  let seen = Buffer.alloc(0);
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(
        new KilimError('HOST_TIMEOUT', `${name}: the start-up files of the account do not come to an end.`),
      );
      endChannel(stream);
    }, START_MS);
    const look = (): void => {
      for (let chunk; (chunk = stream.read() as Buffer | null) !== null;) {
        seen = Buffer.concat([seen.subarray(-mark.length), chunk]);
        const at = seen.indexOf(mark);
        if (at < 0) continue;
        stop(true);
        const rest = seen.subarray(at + mark.length);
        if (rest.length > 0) stream.unshift(rest);
        return;
      }
    };
    const over = (): void => stop(false);
    const stop = (hasBegun: boolean): void => {
      clearTimeout(timer);
      stream.off('readable', look).off('end', over).off('close', over);
      setImmediate(() => resolve(hasBegun)); // the stream forgets a moment later that somebody read it by hand
    };
    stream.on('readable', look).on('end', over).on('close', over);
  });
}

/**
 * A line for whatever login shell the account has: no new line, no exclamation mark, no quote inside. A script
 * that is too long for an argument comes first on stdin (`head -c` takes exactly its bytes).
 */
function wrap(script: string): { line: string; head: Buffer; mark: string } {
  const mark = `kilim-${randomBytes(8).toString('hex')}`; // nobody prints it by chance
  const text = Buffer.from(script).toString('base64');
  const bash = (source: string): string =>
    `exec bash --noprofile --norc -c 'echo ${mark}; echo ${mark} >&2; ${AS_USUAL}; eval "$(${source} | base64 -d)"'`;
  return text.length <= MAX_SCRIPT_BYTES
    ? { line: bash(`echo ${text}`), head: Buffer.alloc(0), mark }
    : { line: bash(`head -c ${text.length}`), head: Buffer.from(text), mark };
}
