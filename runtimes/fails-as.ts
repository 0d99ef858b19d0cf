import { KilimError } from '../domain/errors.js';
import { isDiskFull, lastWords, type Reply } from '../domain/remote-command.js';

/** Parses the reply of a command that makes the application ready: a full disk may pass, all else is a hard failure. */
export const failsAs =
  (what: string) =>
  (reply: Reply): null => {
    if (reply.exitCode === 0) return null;
    const words = lastWords(reply);
    if (isDiskFull(words)) throw new KilimError('DISK_FULL', words);
    throw new KilimError('STAGE_JOB_FAILED', `${what}: ${words}`);
  };
