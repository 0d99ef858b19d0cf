import { createInterface } from 'node:readline';

import { KilimError } from '../domain/errors.js';
import type { Host } from './host.js';

/**
 * Holds one channel on which a script prints lines for as long as it likes. Its standard input stays open until then:
 * a script that reads it learns when nobody listens any more.
 * Resolves when aborted; rejects with HOST_UNREACHABLE when the link broke or the script ended.
 */
export async function followLines(
  host: Host,
  script: string,
  onLine: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  if (signal.aborted) return;
  const stream = await host.stream(script, { signal });
  createInterface({ input: stream.stdout }).on('line', onLine);
  const { exitCode, stderr } = await stream.done.catch((error: unknown) => {
    if (signal.aborted) return { exitCode: 0, stderr: '' };
    // lines are only looked at: nothing is unknown because of a broken link
    if (error instanceof KilimError && error.code === 'OUTCOME_UNKNOWN')
      throw new KilimError('HOST_UNREACHABLE', `The link to ${host.name} broke.`);
    throw error;
  });
  if (!signal.aborted)
    throw new KilimError(
      'HOST_UNREACHABLE',
      `The follower on ${host.name} ended (${exitCode ?? 'killed'}): ${stderr.trim()}`,
    );
}
