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
  parse: (reply: Reply) => T;
}

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
