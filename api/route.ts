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
  /** Aborted when the client has gone, or has its answer. */
  signal: AbortSignal;
  /** Resolves with the way out when it is the caller's turn at a host. @throws KilimError HOST_BUSY */
  turn: (kind: Kind, host: Host) => Promise<() => void>;
  /** What the audit line says instead of the caller and the path, where a handler knows it better. */
  audit: { user?: string | undefined; resource?: string };
}

export interface Answer {
  says: string;
  result?: unknown;
  /** Instead of `result`: a list that is read and sent slice by slice. */
  slices?: AsyncIterable<readonly unknown[]>;
  metadata?: Record<string, unknown>;
  status?: number;
}

/** A download: never `application/json`, or clients parse it (platform §1.2). */
export interface Bytes {
  host: Host;
  /** Called when it is the transfer's turn; destroying the stream, or an abort, ends the command on the host. */
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
  /** It only reads, although its method is not GET; every other such route has an audit line. */
  reads?: true;
  handle: (call: Call, deps: ApiDeps) => Promise<Answer | Bytes | Text>;
}

export const route = (value: Route): Route => value;

export const isBytes = (answer: Answer | Bytes | Text): answer is Bytes => 'open' in answer;
export const isText = (answer: Answer | Bytes | Text): answer is Text => 'text' in answer;
