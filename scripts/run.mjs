// Runs one long step: its output to stderr, a word every half minute that it is still at it.
import { spawn } from 'node:child_process';

export const say = (text) => void process.stderr.write(`[kilim] ${text}\n`);

/** @returns whether the command ended with 0 */
export function runStep(what, command, args, { cwd, env = process.env, quiet = false } = {}) {
  const begin = performance.now();
  const seconds = () => `${((performance.now() - begin) / 1000).toFixed(0)} s`;
  say(`${what} …`);
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd, env, stdio: ['ignore', quiet ? 'ignore' : 2, 2] });
    const pulse = setInterval(() => say(`… still at it (${seconds()})`), 30_000);
    const end = (isDone) => {
      clearInterval(pulse);
      say(isDone ? `done (${seconds()})` : `that failed after ${seconds()}`);
      resolve(isDone);
    };
    child.on('error', () => end(false));
    child.on('exit', (code) => end(code === 0));
  });
}
