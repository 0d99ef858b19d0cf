import { KilimError, meaningOf } from './errors.js';

/**
 * The beginning of the last line of a program that another start would not help: launcher/supervise.ts then does not
 * try again.
 */
const REFUSAL = 'Kilim cannot start';

/** Codes of system calls that may pass: a service that is not there yet may come, and a full disk may get room. */
const MAY_PASS = /^(ECONN\w+|ETIMEDOUT|EPIPE|EAI_AGAIN|EHOST\w+|ENETUNREACH|ENOSPC|EDQUOT|EMFILE|ENFILE)$/;

/**
 * The text that a program prints where it did not start; its supervisor reads the last line. Another start is worth it only
 * for a fault that may pass by itself, as a database or an engine that does not answer yet. A fault of the program itself
 * is printed with its stack.
 */
export function startFault(error: unknown): string {
  const said = (error instanceof Error ? error.message : String(error)).trim().replaceAll('\n', ' ');
  if (said.startsWith(REFUSAL) || mayPass(error)) return said;
  const sentence = `${REFUSAL}: ${said}`;
  return error instanceof KilimError || !(error instanceof Error)
    ? sentence
    : `${error.stack ?? ''}\n${sentence}`;
}

function mayPass(error: unknown): boolean {
  if (error instanceof KilimError) return meaningOf(error.code).retry === true;
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' && MAY_PASS.test(code);
}
