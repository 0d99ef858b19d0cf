import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

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
    async ask(request) {
      const answer = once(thread, 'message') as Promise<[number]>; // it rejects where the thread fails
      thread.postMessage(request);
      return (await answer)[0];
    },
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
