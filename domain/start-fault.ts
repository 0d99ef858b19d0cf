import { KilimError, meaningOf } from './errors.js';

/** So begins the last word of a program that another start would not help: launcher/supervise.ts does not try again. */
const REFUSAL = 'Kilim cannot start';

/** Of the system's calls: what is not there yet may come, and what is full may get room. */
const MAY_PASS = /^(ECONN\w+|ETIMEDOUT|EPIPE|EAI_AGAIN|EHOST\w+|ENETUNREACH|ENOSPC|EDQUOT|EMFILE|ENFILE)$/;

/**
 * What a program says that did not start; its last line is for people and for its supervisor. Only what may pass by itself,
 * as a database or an engine that does not answer yet, is worth another start. A fault of the program comes with its place.
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
