import { tagOf } from '../domain/jobs/ledger.js';
import type { JobPlan } from '../domain/jobs/job-plan.js';
import { streamsOf, type Stream } from '../domain/jobs/streams.js';
import { parseSlurmOption } from './slurm-options.js';

/** What a comment of Kilim's starts with; the tag follows. */
export const COMMENT_PREFIX = 'kilim:';

/** What a job's Slurm comment starts with: by this it is found again. */
export const commentOf = (installation: string, uuid: string): string =>
  `${COMMENT_PREFIX}${tagOf(installation, uuid)}`;

/** The `#SBATCH` lines, long names, sorted (specification: jobs §6.8). */
export const slurmDirectives = (plan: JobPlan, installation: string): string[] => [
  '# Slurm directives.',
  ...[...sbatchOptions(plan, installation)]
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([name, value]) => `#SBATCH ${name}${value === null ? '' : `=${escape(value)}`}`),
];

/** Kilim's own options and the user's, by their long names; null is the value of a flag. */
export function sbatchOptions(plan: JobPlan, installation: string): Map<string, string | null> {
  const asked = askedOf(plan);
  const note = asked.get('--comment');
  const all = new Map<string, string | null>([
    ...ownOptions(plan, asked),
    ...asked,
    ['--job-name', (asked.get('--job-name') ?? 'tapisjob.sh').replaceAll(':', '-')],
    ['--comment', [commentOf(installation, plan.uuid), note].filter(Boolean).join(' ')],
  ]);
  // a second start is refused anyway; without this Slurm would try it after the loss of a node
  if (!plan.repeatable) all.set('--no-requeue', null);
  // Slurm opens the files before the script can refuse, and would empty those of the first start
  if (!plan.repeatable && !asked.has('--open-mode')) all.set('--open-mode', 'append');
  return all;
}

type Asked = ReadonlyMap<string, string | null>;

const askedOf = (plan: JobPlan): Asked =>
  new Map(
    plan.schedulerOptions
      .map(({ arg }) => parseSlurmOption(arg))
      .filter(({ name }) => name !== '--tapis-profile')
      .map(({ name, value }) => [name, value] as const),
  );

/** By their options, where the user asked for no others. */
const outputs = (plan: JobPlan, asked: Asked): [string, Stream][] =>
  streamsOf(plan)
    .map((stream, i): [string, Stream] => [i === 0 ? '--output' : '--error', stream])
    .filter(([name]) => !asked.has(name));

/** What the application says, where Kilim names the files. */
export const slurmStreams = (plan: JobPlan): Stream[] =>
  outputs(plan, askedOf(plan)).map(([, stream]) => stream);

function ownOptions(plan: JobPlan, asked: Asked): [string, string][] {
  const { hiddenOptions } = plan;
  const own: [string, string][] = [
    ['--nodes', String(plan.nodeCount)],
    ['--ntasks', String(plan.coresPerNode * plan.nodeCount)],
    ['--time', String(plan.maxMinutes)],
  ];
  const isPerUnit = asked.has('--mem-per-cpu') || asked.has('--mem-per-gpu'); // Slurm knows one of the three
  if (!hiddenOptions.includes('MEM') && !isPerUnit) own.push(['--mem', String(plan.memoryMB)]);
  if (!hiddenOptions.includes('PARTITION') && plan.hpcQueue) own.push(['--partition', plan.hpcQueue]);
  return [
    ...own,
    ...outputs(plan, asked).map(([name, stream]): [string, string] => [name, file(stream.file)]),
  ];
}

/** Slurm replaces `%j` and others in file names. */
const file = (path: string): string => path.replaceAll('%', '%%');

/** In a directive a backslash keeps any character from ending or changing the value. */
const escape = (value: string): string => value.replace(/[^\p{L}\p{N}_/.:=@%+,~^*[\]{}()-]/gu, '\\$&');
