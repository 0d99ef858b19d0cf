import { spawn } from 'node:child_process';
import { mkdirSync, openSync, closeSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { at } from './settings.mjs';

/** Progress goes to stderr: stdout is for the JSON. */
export const say = (text) => process.stderr.write(`testbed: ${text}\n`);

export const sleep = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

/**
 * Runs a program to its end and returns its standard output, trimmed.
 * `log` names a file below log/ that takes all output instead (for long and chatty programs).
 * @throws Error with the last lines of the output when it ends badly, unless `mayFail`
 */
export function run(command, args = [], { log, input, errorsTo, mayFail = false, ...options } = {}) {
  mkdirSync(at('log'), { recursive: true });
  const logFile = log ? at('log', `${log}.log`) : undefined;
  const sink = logFile ? openSync(logFile, 'a', 0o600) : 'pipe';
  return new Promise((done, fail) => {
    const child = spawn(command, args, {
      ...options,
      stdio: [input === undefined ? 'ignore' : 'pipe', sink, errorsTo ?? sink],
    });
    let out = '';
    let err = '';
    child.stdout?.on('data', (chunk) => (out += chunk));
    child.stderr?.on('data', (chunk) => (err += chunk));
    // a program that ends without reading says why on its own; the broken pipe says nothing
    child.stdin?.on('error', () => undefined).end(input);
    child.on('error', (error) => (mayFail ? done(undefined) : fail(error)));
    child.on('close', (code, signal) => {
      if (logFile) closeSync(sink);
      if (code === 0) return done(out.trim());
      if (mayFail) return done(undefined);
      const said = logFile ? readFileSync(logFile, 'utf8') : out + err;
      const last = said.trim().split('\n').slice(-12).join('\n  ');
      const where = logFile ? ` (all of it: ${logFile})` : '';
      fail(new Error(`${command} ${args.join(' ')}\n  ended with ${signal ?? code}${where}:\n  ${last}`));
    });
  });
}

/** Waits until `probe` answers something true, and returns it. */
export async function until(what, probe, { seconds = 30, everyMs = 100 } = {}) {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const answer = await probe();
    if (answer) return answer;
    if (Date.now() > deadline) throw new Error(`${what}: not within ${seconds} s`);
    await sleep(everyMs);
  }
}

/** Does something accept connections on this loopback port? */
export const answers = (port) =>
  new Promise((done) => {
    const socket = connect({ host: '127.0.0.1', port, timeout: 1000 });
    const end = (answer) => (socket.destroy(), done(answer));
    socket
      .on('connect', () => end(true))
      .on('error', () => end(false))
      .on('timeout', () => end(false));
  });

/** @throws Error when a port that we want to listen on is taken */
export async function mustBeFree(port, what) {
  if (!(await answers(port))) return;
  throw new Error(
    `port ${port}, meant for ${what}, is in use; KILIM_TESTBED_PORT_BASE=N moves all ports (default 23000)`,
  );
}
