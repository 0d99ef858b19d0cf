import { setTimeout as sleep } from 'node:timers/promises';

import type { Job } from '../domain/jobs/job.js';
import { fairnessKey } from '../domain/jobs/labels.js';
import { createTurns } from '../domain/turns.js';

/** Accepted jobs on their way to Temporal. */
export interface StartLine {
  add: (job: Job) => void;
  /** Returns when this job's start was tried, whoever stands before it. */
  hurry: (uuid: string) => Promise<void>;
}

/** At once; more where Temporal is far away would need a line of its own. */
const LANES = 2;

/**
 * Starts the jobs of each owner in the order in which they were accepted, and takes the owners in turn. A single job starts at
 * once. Many jobs start a few at a time, each followed by a rest as long as its start took, so that requests are answered in
 * between. A job that is lost here, because Temporal is down or the program ends, is started by the reconciler from its row.
 * @param start false where Temporal did not take it; must not throw
 */
export function createStartLine(start: (job: Job) => Promise<boolean>): StartLine {
  const waiting = new Map<string, Job>();
  const line = createTurns<Job>();
  const underWay = new Map<string, Promise<boolean>>();
  let lanes = 0;

  function begin(job: Job): Promise<boolean> {
    waiting.delete(job.uuid);
    line.remove(fairnessKey(job), job);
    const trial = start(job).finally(() => underWay.delete(job.uuid));
    underWay.set(job.uuid, trial);
    return trial;
  }

  async function lane(): Promise<void> {
    lanes++;
    for (let job; (job = line.take());) {
      const from = performance.now();
      if (!(await begin(job))) {
        waiting.clear(); // nor would it take the others
        line.clear();
      } else if (waiting.size > 0) await sleep(performance.now() - from);
    }
    lanes--;
  }

  return {
    add(job) {
      waiting.set(job.uuid, job);
      line.add(fairnessKey(job), job);
      if (lanes < LANES) void lane();
    },
    async hurry(uuid) {
      const job = waiting.get(uuid);
      await (job ? begin(job) : underWay.get(uuid));
    },
  };
}
