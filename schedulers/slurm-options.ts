/** How an option of `sbatch` takes a value. */
type Takes = 'value' | 'nothing' | 'maybe';

const takes = (kind: Takes, names: string): [string, Takes][] =>
  names.split(/\s+/).map((name) => [name, kind]);

/** What users may pass, under Slurm's long names (specification: jobs §6.8; `man sbatch` of 22.05 to 24.11). */
const ACCEPTED: ReadonlyMap<string, Takes> = new Map([
  ...takes('value', '--account --acctg-freq --extra-node-info --batch --bb --bbf --begin --cluster-constraint --comment --constraint'),
  ...takes('value', '--core-spec --cores-per-socket --cpu-freq --cpus-per-gpu --cpus-per-task --deadline --delay-boot --dependency'),
  ...takes('value', '--distribution --error --exclude --export --export-file --gid --gpus --gpu-bind --gpu-freq --gpus-per-node'),
  ...takes('value', '--gpus-per-socket --gpus-per-task --gres --gres-flags --hint --input --job-name --kill-on-invalid-dep --licenses'),
  ...takes('value', '--mail-type --mail-user --mcs-label --mem-per-cpu --mem-per-gpu --mem-bind --mincpus --network --nodefile'),
  ...takes('value', '--nodelist --ntasks-per-core --ntasks-per-gpu --ntasks-per-node --ntasks-per-socket --output --open-mode'),
  ...takes('value', '--power --priority --profile --qos --reservation --signal --sockets-per-node --switches --thread-spec'),
  ...takes('value', '--threads-per-core --time-min --tmp --wait-all-nodes --wckey'),
  ...takes('maybe', '--exclusive --get-user-env --nice --no-kill --propagate'),
  ...takes('nothing', '--contiguous --hold --ignore-pbs --no-requeue --overcommit --oversubscribe --reboot --requeue'),
  ...takes('nothing', '--spread-job --use-min-nodes --verbose'),
]); // prettier-ignore

const LONG: Readonly<Record<string, string>> = {
  '-a': '--array', '-A': '--account', '-b': '--begin', '-B': '--extra-node-info', '-c': '--cpus-per-task', '-C': '--constraint',
  '-d': '--dependency', '-D': '--chdir', '-e': '--error', '-F': '--nodefile', '-G': '--gpus', '-H': '--hold', '-h': '--help',
  '-i': '--input', '-J': '--job-name', '-k': '--no-kill', '-L': '--licenses', '-m': '--distribution', '-M': '--clusters',
  '-n': '--ntasks', '-N': '--nodes', '-o': '--output', '-O': '--overcommit', '-p': '--partition', '-q': '--qos', '-Q': '--quiet',
  '-s': '--oversubscribe', '-S': '--core-spec', '-t': '--time', '-v': '--verbose', '-V': '--version', '-w': '--nodelist',
  '-W': '--wait', '-x': '--exclude',
}; // prettier-ignore

/** What Kilim writes itself, from this field of the request. */
const OWNED: Readonly<Record<string, string>> = {
  '--mem': 'memoryMB',
  '--nodes': 'nodeCount',
  '--ntasks': 'coresPerNode',
  '--partition': 'execSystemLogicalQueue',
  '--time': 'maxMinutes',
};

/** Known to Slurm, and why a job of Kilim cannot have it. */
const REFUSED: Readonly<Record<string, string>> = {
  '--array': 'would start many runs under one job; submit one job for each of them',
  '--chdir': 'is not possible: a job runs in its execSystemExecDir',
  '--clusters': 'is not possible: a job is followed on the cluster of its execution system',
  '--wait': 'is not possible: Kilim waits by itself',
  '--wrap': 'is not possible: the application is what runs',
};
for (const name of ['--help', '--parsable', '--quiet', '--test-only', '--uid', '--usage', '--version'])
  (REFUSED as Record<string, string>)[name] = 'changes how Slurm answers and cannot be passed';

export interface SlurmOption {
  name: string;
  /** Null for a flag. */
  value: string | null;
}

/** One element is one option: `--opt`, `--opt value` or `--opt=value`, and the same with short names. */
export const parseSlurmOption = (text: string): SlurmOption => {
  const [, word = '', value] = /^(\S+?)(?:[=\s]\s*(.*))?$/s.exec(text.trim()) ?? [];
  return { name: LONG[word] ?? word, value: value === undefined || value === '' ? null : value };
};

const FIELD = 'parameterSet.schedulerOptions';

/** A sentence for each option that cannot be passed to Slurm, and for pairs that contradict one another. */
export function slurmFaults(options: readonly string[], isRepeatable: boolean): string[] {
  const parsed = options.map((text) => ({ text, ...parseSlurmOption(text) }));
  const single = parsed.flatMap(({ text, name, value }) => {
    if (name === '--tapis-profile') return [];
    const fault = faultOf(name, value, isRepeatable);
    return fault ? [`${FIELD}: "${text.slice(0, 120)}" ${fault}`] : [];
  });
  const names = parsed.map(({ name }) => name);
  const seen = new Set<string>();
  const twice = new Set(names.filter((name) => seen.has(name) || !seen.add(name)));
  const pairs = CONFLICTS.filter((pair) => pair.every((name) => names.includes(name)));
  return [
    ...single,
    ...[...twice].map((name) => `${FIELD}: ${name} is given more than once`),
    ...pairs.map(([one, other]) => `${FIELD}: ${one} and ${other} contradict one another`),
  ];
}

const CONFLICTS = [
  ['--requeue', '--no-requeue'],
  ['--exclusive', '--oversubscribe'],
  ['--mem-per-cpu', '--mem-per-gpu'],
  ['--nodefile', '--nodelist'],
] as const;

function faultOf(name: string, value: string | null, isRepeatable: boolean): string | null {
  const owner = OWNED[name];
  if (owner) return `is set by Kilim from ${owner}; give that instead`;
  const refusal = REFUSED[name];
  if (refusal) return refusal;
  const kind = ACCEPTED.get(name);
  if (!kind) return 'is not an option of sbatch that can be passed';
  if (name === '--requeue' && !isRepeatable)
    return 'needs an application that may run twice (notes.kilim.repeatable)';
  if (kind === 'nothing') return value === null ? null : 'takes no value';
  if (value === null) return kind === 'maybe' ? null : 'needs a value: "option value" or "option=value"';
  // a comment is a sentence; everything else is one word for Slurm
  if (name !== '--comment' && /\s/.test(value)) return 'has a blank in its value';
  return null;
}
