import { pino, type Level, type Logger } from 'pino';

export interface ProgramLog {
  log: Logger;
  /** How many lines could not be written so far. */
  dropped: () => number;
}

/** At most this much is kept in memory until lines can be written again. */
const KEPT_BYTES = 256 * 1024;

/**
 * The log of a program: JSON lines on the standard error. A line that cannot be written, because the disk is full or the
 * reader is gone, does not end the program: the first such lines are kept and tried again with each later line; lines for
 * which there is no room beside them are dropped and counted.
 */
export function programLog(program: string, level: Level | 'silent', descriptor = 2): ProgramLog {
  let dropped = 0;
  const stream = pino.destination({
    dest: descriptor,
    sync: true,
    maxLength: KEPT_BYTES,
    // a slow reader must not hold up the program either
    retryEAGAIN: () => false,
  });
  stream.on('error', () => undefined);
  stream.on('drop', () => dropped++);
  // Node writes its own warnings to the same stream, and an error without a listener would end the program
  process.stderr.on('error', () => dropped++);
  return { log: pino({ level, base: { program } }, stream), dropped: () => dropped };
}
