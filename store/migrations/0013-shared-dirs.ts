import type { Step } from './step.js';

/**
 * The directories of jobs that other jobs may be given as well, so that jobs with one directory find one another by an index.
 * `place` is a hash of the system and the directory, which may be too long for an index; `ended` is that of the job. Jobs from
 * before this step have no rows.
 */
export const sharedDirs: Step = ({ serial }) => [
  `create table shared_dirs (id ${serial}, tenant text not null, place text not null, job_uuid text not null, ended text)`,
  'create index shared_dirs_by_place on shared_dirs (tenant, place, ended)',
  'create index shared_dirs_of_job on shared_dirs (job_uuid)',
];
