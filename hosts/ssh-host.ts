import { randomBytes } from 'node:crypto';

import type { ClientChannel } from 'ssh2';

import { KilimError } from '../domain/errors.js';
import type { RemoteCommand, Reply } from '../domain/remote-command.js';
import { consume, keeping, silence, sinkOf, STDERR_BYTES, tail } from './collect.js';
import type { Host } from './host.js';
import { AS_USUAL, endedEarly, fitsShell, MAX_SCRIPT_BYTES } from './shell-channel.js';
import { endChannel, exitCodeOf } from './ssh.js';
import type { SshPool } from './ssh-pool.js';

const STREAM_STDERR_BYTES = 16_384;
/** What may take longer gets a shell only while there is room for the others. */
const SHORT_SECONDS = 120;
/** After the exit, for output that is still under way. */
const QUIET_MS = 500;

const isLong = ({ timeoutSeconds = 60 }: RemoteCommand<unknown>): boolean => timeoutSeconds > SHORT_SECONDS;

type Run = (command: RemoteCommand<unknown>, signal?: AbortSignal) => Promise<Reply>;

/** A host without its identity, which the pool's owner knows. */
export type SshHost = Omit<Host, 'identity'>;

/** A host over SSH. What fits goes through a shell that stays, the rest through channels of their own. */
export function sshHost(name: string, pool: SshPool): SshHost {
  /** Waits for the reply, and tells the pool whether the host answered. */
  async function answered(sent: Sent, work: Work): Promise<Reply> {
    const since = performance.now();
    const reply = await guard(name, sent, work).catch((error: unknown) => late(error, since));
    pool.heard();
    return reply;
  }
  function late(error: unknown, since: number): never {
    if (error instanceof KilimError && error.code === 'HOST_TIMEOUT') pool.timedOut(error, since);
    throw error;
  }

  const onChannel: Run = async (command, signal) => {
    const { line, head, mark } = wrap(command.line);
    const opened = await pool.channel(line, isLong(command) ? 'long command' : 'command', signal);
    const end = exitOf(opened, name);
    const input = Buffer.concat([head, Buffer.from(command.stdin ?? '')]);
    if (input.length === 0) opened.end();
    else void untilSaid(mark, opened).then(() => opened.writable && opened.end(input));
    const sent = { command, signal, end: () => endChannel(opened) };
    return answered(sent, async (stop) => {
      const said = sinkOf(command, name, stop);
      const complained = keeping(STDERR_BYTES);
      const begun = fromMark(mark, said.take);
      const all = Promise.all([consume(opened, begun.take), consume(opened.stderr, complained.take)]);
      const exitCode = await end.exit;
      await Promise.race([end.close, silence([opened, opened.stderr], QUIET_MS)]);
      if (!end.isClosed()) endChannel(opened); // a child in the background holds the pipe
      await all;
      if (exitCode !== null && !begun.isThere()) throw endedEarly(name, exitCode);
      return { stdout: said.text(), stderr: afterMark(mark, complained.text()), exitCode };
    });
  };

  const onShell: Run = async (command, signal) => {
    const lent = await pool.shell(isLong(command), signal);
    if (!lent) return onChannel(command, signal);
    const { stdin } = command;
    try {
      return await answered({ command, signal, end: lent.shell.end }, (stop) =>
        lent.shell.run(
          command.line,
          sinkOf(command, name, stop),
          stdin === undefined ? undefined : Buffer.from(stdin),
        ),
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
      const opened = await pool.channel(line, 'stream', signal);
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
      const stderr = tail(opened.stderr, STREAM_STDERR_BYTES);
      const since = performance.now();
      const began = skipToMark(mark, opened, name).catch((error: unknown) => late(error, since));
      const done = end.close
        .then(() => end.exit)
        .then(async (exitCode) => {
          if (exitCode !== null && !(await began)) throw endedEarly(name, exitCode);
          return { exitCode, stderr: afterMark(mark, await stderr) };
        })
        .finally(() => signal?.removeEventListener('abort', abort));
      done.catch(() => undefined);
      if (await began) pool.heard();
      if (head.length > 0 && opened.writable) opened.write(head);
      return { stdin: opened, stdout: opened, done };
    },
  };
}

/** Waits for the reply; `stop` ends the command with an error. */
type Work = (stop: (error: Error) => void) => Promise<Reply>;

interface Sent {
  command: RemoteCommand<unknown>;
  signal: AbortSignal | undefined;
  end: () => void;
}

/** Ends the command when its time is over or its caller is not interested any more. */
async function guard(name: string, sent: Sent, work: Work): Promise<Reply> {
  const { signal, end } = sent;
  const { timeoutSeconds = 60 } = sent.command;
  let timer: NodeJS.Timeout | undefined;
  let abort = (): void => undefined;
  let stop = (error: Error): void => void error;
  const stopped = new Promise<never>((_resolve, reject) => {
    stop = (error) => {
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
  const reply = work(stop);
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
const START_BYTES = 1024 * 1024;

/** What start-up files of the account print comes before the mark, and is nobody's output. */
const afterMark = (mark: string, text: string): string => {
  const at = text.indexOf(`${mark}\n`);
  return at < 0 ? text : text.slice(at + mark.length + 1);
};

/** Hands on what comes after the mark. */
function fromMark(mark: string, take: (chunk: Buffer) => void) {
  const needle = Buffer.from(`${mark}\n`);
  let isThere = false;
  let last = Buffer.alloc(0);
  return {
    isThere: () => isThere,
    take: (chunk: Buffer): void => {
      if (isThere) return take(chunk);
      const seen = Buffer.concat([last, chunk]);
      const at = seen.indexOf(needle);
      last = seen.subarray(-needle.length);
      if (at < 0) return;
      isThere = true;
      if (at + needle.length < seen.length) take(seen.subarray(at + needle.length));
    },
  };
}

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
    const refuse = (what: string): void => {
      clearTimeout(timer);
      reject(new KilimError('HOST_TIMEOUT', `${name}: the start-up files of the account ${what}.`));
      endChannel(stream);
    };
    const timer = setTimeout(() => refuse('do not come to an end'), START_MS);
    let size = 0;
    const look = (): void => {
      for (let chunk; (chunk = stream.read() as Buffer | null) !== null;) {
        if ((size += chunk.length) > START_BYTES) return refuse('say more than a mebibyte');
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
