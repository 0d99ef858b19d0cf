import { pino, type Level, type Logger } from 'pino';

export interface ProgramLog {
  log: Logger;
  /** Lines that the standard error did not take, so far. */
  dropped: () => number;
}

/** So much is kept for the moment in which it can be written again. */
const KEPT_BYTES = 256 * 1024;

/**
 * The log of a program: JSON lines on the standard error. A line that cannot be written, on a full disk or to a reader
 * that is gone, ends nothing: the first ones are kept and tried again with each later line; what has no room beside them is dropped and
 * counted.
 */
export function programLog(program: string, level: Level | 'silent', descriptor = 2): ProgramLog {
  let dropped = 0;
  const stream = pino.destination({
    dest: descriptor,
    sync: true,
    maxLength: KEPT_BYTES,
    // a reader that is slow must not hold up the program, either
    retryEAGAIN: () => false,
  });
  stream.on('error', () => undefined);
  stream.on('drop', () => dropped++);
  // Node's own warnings go there, too
  process.stderr.on('error', () => dropped++);
  return { log: pino({ level, base: { program } }, stream), dropped: () => dropped };
}
