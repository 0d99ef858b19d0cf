import { Context } from '@temporalio/activity';

export interface Progress {
  signal: AbortSignal;
  /** Bytes and files moved so far, of the element under way. */
  report: (bytes: number, files: number) => void;
}

/** Runs a step with a heartbeat every few seconds round all of it: without one, neither cancel nor a lost worker is noticed. */
export async function heartbeating<T>(work: (progress: Progress) => Promise<T>): Promise<T> {
  const context = Context.current();
  let moved = { bytes: 0, files: 0 };
  const beat = setInterval(() => context.heartbeat(moved), 1_000);
  try {
    return await work({
      signal: context.cancellationSignal,
      report: (bytes, files) => {
        moved = { bytes, files };
      },
    });
  } catch (error) {
    // what an aborted command says of itself would block the job; it was aborted because nobody wants it any more
    if (context.cancellationSignal.aborted) await context.cancelled;
    throw error;
  } finally {
    clearInterval(beat);
  }
}
