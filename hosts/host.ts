import type { Readable, Writable } from 'node:stream';

import type { RemoteCommand } from '../domain/remote-command.js';

/** A host that is logged in to. Every other ability (files, transfers, jobs) is a command on top of these. */
export interface Host {
  /** For messages: `alice@host:port` or `this machine`. */
  readonly name: string;
  /**
   * Which host this is: the fingerprint of its host key, for which it logs in where no login happened yet. Every command that
   * this object sends goes to that host, or fails with HOST_KEY_CHANGED. This machine's identity is its name.
   */
  identity: () => Promise<string>;
  /**
   * Runs a command and parses its reply.
   * @throws KilimError HOST_UNREACHABLE (not sent), OUTCOME_UNKNOWN (sent, no reply), HOST_TIMEOUT,
   * HOST_LOGIN_REFUSED, HOST_KEY_CHANGED; and what `parse` throws
   */
  run: <T>(command: RemoteCommand<T>, options?: { signal?: AbortSignal }) => Promise<T>;
  /** Starts a command whose input and output are streams. Abort ends it. */
  stream: (line: string, options?: { signal?: AbortSignal }) => Promise<RemoteStream>;
}

export interface RemoteStream {
  stdin: Writable;
  stdout: Readable;
  /** Resolves when the command has ended, with the last 16 KiB of stderr. Rejects when the link broke. */
  done: Promise<{ exitCode: number | null; stderr: string }>;
}

/** Where a host is and how to log in; made by a look-up that is injected into `hosts/`. */
export interface HostAddress {
  tenant: string;
  systemId: string;
  host: string;
  port: number;
  loginUser: string;
  /** The Tapis user whose dynamic credential counts, for systems with a dynamic effective user. */
  asUser?: string;
}
