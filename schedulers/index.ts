import type { Keeper } from '../domain/jobs/keeper.js';
import { dockerDaemon } from './docker-daemon.js';
import { processTable } from './process-table.js';
import type { Scheduler } from './scheduler.js';
import { singularityInstance } from './singularity-instance.js';
import { slurm } from './slurm.js';

/** All schedulers, by who keeps the job. A new one is one file and one line here. */
export const schedulers: Readonly<Record<Keeper, Scheduler>> = {
  process: processTable,
  docker: dockerDaemon,
  instance: singularityInstance,
  slurm,
};
