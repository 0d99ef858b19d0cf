/** What came back from a host. `exitCode` is null when the remote process was ended by a signal. */
export interface Reply {
  stdout: string;
  stderr: string;
  exitCode: number | null;
}

/**
 * A remote command as a value: adapters make it, only `hosts/` runs it.
 * `line` is a script for bash without start-up files; it may span many lines.
 * `stdin` is sent and then closed; without it the command reads from /dev/null.
 */
export interface RemoteCommand<T> {
  line: string;
  stdin?: string | Buffer;
  /** Seconds until the host is considered stuck; default 60. */
  timeoutSeconds?: number;
  /**
   * The most bytes of standard output that the command can answer with; a host that sends more is cut off. Default: 1
   * MiB.
   */
  maxReplyBytes?: number;
  /**
   * Takes standard output in pieces as it arrives, so that long lists are read without being kept; `parse` then gets an empty
   * output. An error that it throws ends the command.
   */
  onOutput?: (piece: Buffer) => void;
  parse: (reply: Reply) => T;
}

/** The parsers of short answers read this much in some milliseconds, whatever it holds. */
export const MAX_REPLY_BYTES = 1024 * 1024;

/** A host's words for a disk or a quota that is full: that may pass. */
export const isDiskFull = (words: string): boolean =>
  /No space left on device|Disk quota exceeded/i.test(words);

/** The host's own words: the last lines it said, stderr first; for messages to people. */
export const lastWords = ({ stdout, stderr, exitCode }: Reply): string =>
  (stderr.trim() || stdout.trim() || `exit code ${exitCode ?? 'unknown'}`)
    .split('\n')
    .slice(-5)
    .join('\n')
    .slice(-2000);
