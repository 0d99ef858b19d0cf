import type { JobEnd, Submitted, Ticket } from '../domain/jobs/ticket.js';
import { admitJob, archiveOutputs, makeDirectories, stageInputs, stageJob, submitJob } from './activities.js';
import { giveUp } from './give-up.js';
import { beginJob } from './job-control.js';
import { untilOver } from './until-over.js';
import { untilStarted } from './until-started.js';

/** The life of one job: one line, one status. */
export async function runJob(ticket: Ticket): Promise<JobEnd> {
  const { uuid } = ticket;
  const job = beginJob(ticket);
  try {
    const needs = await job.phase('PENDING', () => admitJob(uuid));
    await job.phase(
      'PROCESSING_INPUTS',
      async () => needs?.directories !== false && job.step(makeDirectories),
    );
    await job.phase('STAGING_INPUTS', async () => needs?.inputs !== false && job.step(stageInputs));
    await job.phase('STAGING_JOB', () => job.step(stageJob));
    const submitted = await job.phase('SUBMITTING_JOB', () =>
      job.uncancelled<Submitted>(() => job.step(submitJob)),
    );
    const quick = await job.phase('QUEUED', () => untilStarted(job, submitted));
    const outcome = await job.phase('RUNNING', async () => quick ?? untilOver(job));
    await job.phase(
      'ARCHIVING',
      () => (outcome?.archive ? job.step(archiveOutputs) : Promise.resolve()),
      outcome,
    );
    return await job.end(outcome);
  } catch (error) {
    return await giveUp(job, error); // stops what still runs, then CANCELLED or FAILED
  }
}
