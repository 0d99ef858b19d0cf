import { readFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';

/** Milliseconds that the thread of the event loop was on a processor: the clock would tell of the machine's other work. */
const threadMs = (): number =>
  Number(readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'utf8').split(' ')[0]) / 1e6;

const TICK_MS = 5;

/** The longest that the event loop of this process worked without letting anything else in, while something went on. */
export async function longestStall(meanwhile: () => Promise<unknown>): Promise<number> {
  let longest = 0;
  let last = threadMs();
  const look = (): void => {
    const now = threadMs();
    longest = Math.max(longest, now - last);
    last = now;
  };
  const timer = setInterval(look, TICK_MS);
  try {
    await meanwhile();
    look();
    return longest;
  } finally {
    clearInterval(timer);
  }
}

export interface Request {
  method: string;
  url: string;
  headers: Record<string, string>;
  body?: Uint8Array<ArrayBuffer>;
}

export interface Client {
  /** The status, or 0 where the connection was closed. */
  ask: (request: Request) => Promise<number>;
  close: () => Promise<unknown>;
}

/** An HTTP client in a thread of its own, so that its work is not measured. */
export function clientThread(): Client {
  const thread = new Worker(CLIENT, { eval: true });
  return {
    ask: (request) =>
      new Promise((resolve, reject) => {
        thread.once('message', resolve);
        thread.once('error', reject);
        thread.postMessage(request);
      }),
    close: () => thread.terminate(),
  };
}

const CLIENT = `
  const { parentPort } = require('node:worker_threads');
  parentPort.on('message', async ({ url, ...init }) => {
    try {
      const reply = await fetch(url, init);
      await reply.arrayBuffer();
      parentPort.postMessage(reply.status);
    } catch {
      parentPort.postMessage(0);
    }
  });
`;
