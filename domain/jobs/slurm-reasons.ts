/** What Slurm's reasons for waiting mean to a researcher, and what can be done (https://slurm.schedmd.com/job_reason_codes.html). */
interface Meaning {
  says: string;
  advice?: string;
}

const HIGHER_LIMIT = 'Ask the site for a higher limit, or wait until other jobs have ended.';
const TOO_MANY_JOBS: Meaning = { says: 'so many of your jobs run already that the site lets no more start', advice: HIGHER_LIMIT }; // prettier-ignore

/**
 * Tried in this order; the first entry that fits counts. Where an entry has several patterns, all must be found: one
 * pattern with `.*` between the parts would take quadratic time for a long word.
 */
const REASONS: readonly (readonly [RegExp | readonly RegExp[], Meaning])[] = [
  [/^None$/, { says: 'Slurm has not looked at it yet' }],
  [/^Resources$/, { says: 'it is among the next, and waits until enough nodes, cores or memory are free' }],
  [/^Priority$/, { says: 'other jobs have a higher priority and are started first', advice: 'A shorter maxMinutes, fewer nodes or another queue often start sooner.' }],
  [/^Dependency$/, { says: 'it waits for another Slurm job on which it depends' }],
  [/^DependencyNeverSatisfied$/, { says: 'it depends on a Slurm job that failed, and will never start', advice: 'Cancel it, and submit it without the dependency.' }],
  [/^BeginTime$/, { says: 'its earliest start time, by --begin, has not come yet' }],
  [/^JobHeld(User|Admin)$/, { says: 'it is held', advice: 'Resume the job where it is paused; a hold by an administrator only the site can lift.' }],
  [/^Reservation$/, { says: 'it waits for its reservation to begin' }],
  [/^ReqNodeNotAvail|^NodeDown|^Nodes required for job are DOWN/, { says: 'nodes that it needs are down, drained, or reserved for maintenance', advice: 'Ask the site when they come back, or choose another queue.' }],
  [/^PartitionDown|^PartitionInactive/, { says: 'its queue does not start jobs now', advice: 'Choose another queue, or ask the site.' }],
  [/^PartitionTimeLimit/, { says: 'it asks for more time than its queue allows, and will not start', advice: 'Cancel it, and ask for fewer maxMinutes or another queue.' }],
  [/^PartitionNodeLimit|^PartitionConfig/, { says: 'it asks for more nodes than its queue has, and will not start', advice: 'Cancel it, and ask for fewer nodes or another queue.' }],
  [/^BadConstraints/, { says: 'no node can ever fulfil what it asks for', advice: 'Cancel it, and correct its scheduler options.' }],
  [/^(Invalid(Account|QOS)|.*NotAllowed)/, { says: 'its account or quality of service may not be used here', advice: 'Cancel it, and correct --account or --qos.' }],
  [/^Licenses/, { says: 'it waits for a licence' }],
  [[/Max(Submit)?Job/, /PerUser/], TOO_MANY_JOBS],
  [/AssocMaxJobs|MaxJobsPerAccount|GrpJobs/, TOO_MANY_JOBS],
  [[/Cpu|CPU|Node|Mem|GRES|Billing|BB/, /Limit|Minutes|PerUser|PerAccount|PerJob/], { says: 'a limit of the site on processors, nodes or memory is used up', advice: HIGHER_LIMIT }],
  [/^(QOS|Assoc|Association|User)/, { says: 'a limit of your account or quality of service is reached', advice: HIGHER_LIMIT }],
]; // prettier-ignore

/** `Resources`, or as squeue prints it: `PENDING: Resources`. An unknown reason is given back in Slurm's own word. */
export function reasonInWords(reason: string): Meaning {
  const word = reason.replace(/^[A-Z_]+: */, '').replace(/^\(|\)$/g, '');
  return (
    REASONS.find(([patterns]) => [patterns].flat().every((one) => one.test(word)))?.[1] ?? {
      says: `Slurm says ${reason}`,
    }
  );
}
