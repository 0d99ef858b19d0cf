import type { Readable } from 'node:stream';
import type { IncomingMessage } from 'node:http';

import type { Host } from '../hosts/host.js';
import type { BodyLimit } from './body-limit.js';
import type { ApiDeps, Caller } from './deps.js';
import type { Kind } from './transfer-turns.js';

/** What a handler is given: nothing of Express. */
export interface Call {
  /** The address in use, for links and tenant records (specification: platform §1.3). */
  base: string;
  caller: Caller;
  /** Path parameters, decoded once; of a regular expression by number. */
  params: Record<string, string>;
  query: Record<string, string | undefined>;
  /** The JSON document, or null without a body; unread for `raw` routes. */
  body: unknown;
  bodyText: string;
  headers: Record<string, string | undefined>;
  /** Where the client is, as a trusted proxy says. */
  address: string;
  request: IncomingMessage;
  bodyLimit: BodyLimit;
  /** Aborted when the connection of the client is closed or the answer is complete. */
  signal: AbortSignal;
  /** Waits for the caller's turn at a host and returns the function that ends the turn. @throws KilimError HOST_BUSY */
  turn: (kind: Kind, host: Host) => Promise<() => void>;
  /** User and resource for the audit line, set by handlers for which the caller or the path is not the right one. */
  audit: { user?: string | undefined; resource?: string };
}

export interface Answer {
  says: string;
  result?: unknown;
  /** A list that is read and sent slice by slice, in place of `result`. */
  slices?: AsyncIterable<readonly unknown[]>;
  metadata?: Record<string, unknown>;
  status?: number;
}

/** A download: never `application/json`, or clients parse it (platform §1.2). */
export interface Bytes {
  host: Host;
  /** Called when the transfer has its turn at the host; destroying the stream or an abort ends the command there. */
  open: (signal: AbortSignal) => Promise<Readable>;
  name: string;
  size?: number;
  partial?: { offset: number; length: number; total: number };
  /** Shown, not saved: one page of a text. */
  isInline?: true;
}

/** For other readers than clients of the platform: Prometheus. */
export interface Text {
  text: string;
  type: string;
}

export interface Route {
  method: 'get' | 'post' | 'put' | 'patch' | 'delete';
  path: string | RegExp;
  /** No token is asked for, and a bad one is ignored. */
  open?: true;
  /** The handler reads the request's stream itself. */
  raw?: true;
  /** The route changes nothing although its method is not GET, so its requests get no audit line. */
  reads?: true;
  handle: (call: Call, deps: ApiDeps) => Promise<Answer | Bytes | Text>;
}

export const route = (value: Route): Route => value;

export const isBytes = (answer: Answer | Bytes | Text): answer is Bytes => 'open' in answer;
export const isText = (answer: Answer | Bytes | Text): answer is Text => 'text' in answer;
