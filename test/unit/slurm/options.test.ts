import { readFileSync } from 'node:fs';

import { describe, expect, it } from 'vitest';

import { meaningOf } from '../../../domain/errors.js';
import { slurmDirectives } from '../../../schedulers/slurm-directives.js';
import { launchSlurm, refusal } from '../../../schedulers/slurm-launch.js';
import { slurmFaults } from '../../../schedulers/slurm-options.js';
import { aPlan } from '../../support/a-plan.js';

const anArg = (arg: string) => ({ name: null, description: null, include: null, arg, notes: null });

describe('scheduler options', () => {
  it.each([
    ['--account science'], ['-A science'], ['--account=science'], ['--exclusive'], ['--exclusive=user'], ['-w node1,node2'],
    ['-x node3'], ['--gres=gpu:2'], ['--hold'], ['-H'], ['--comment a sentence of mine'], ['--tapis-profile tacc'], ['--mem-per-gpu 4G'],
    ['--cluster-constraint x'], ['--no-requeue'], ['--dependency=afterok:5'],
  ])('pass: %s', (text) => {
    expect(slurmFaults([text], false)).toEqual([]);
  }); // prettier-ignore

  it.each([
    ['--mem 5', 'memoryMB'], ['-N 2', 'nodeCount'], ['--nodes=2', 'nodeCount'], ['-n 4', 'coresPerNode'], ['-p big', 'execSystemLogicalQueue'],
    ['-t 10', 'maxMinutes'], ['--array 1-5', 'one job for each'], ['-a 1-5', 'one job for each'], ['--chdir /tmp', 'execSystemExecDir'],
    ['-M other', 'cluster'], ['--wrap ls', 'application'], ['--parsable', 'cannot be passed'], ['--nonsense 1', 'not an option'],
    ['account science', 'not an option'], ['--account', 'needs a value'], ['--hold yes', 'takes no value'], ['--qos a b', 'blank'],
    ['--requeue', 'may run twice'], ['', 'not an option'],
  ])('are refused with field, value and rule: %s', (text, rule) => {
    const [fault, ...more] = slurmFaults([text], false);
    expect(more).toEqual([]);
    expect(fault).toContain('parameterSet.schedulerOptions: ');
    expect(fault).toContain(`"${text}"`);
    expect(fault).toContain(rule);
  }); // prettier-ignore

  it('may requeue an application that may run twice', () => {
    expect(slurmFaults(['--requeue'], true)).toEqual([]);
  });

  it.each([
    [['-A one', '--account=two'], '--account is given more than once'],
    [['--exclusive', '-s'], '--exclusive and --oversubscribe'],
    [['--requeue', '--no-requeue'], '--requeue and --no-requeue'],
    [['--mem-per-cpu 1G', '--mem-per-gpu 1G'], '--mem-per-cpu and --mem-per-gpu'],
  ])('that contradict one another are named: %s', (options, rule) => {
    expect(slurmFaults(options, true).join('\n')).toContain(rule);
  });
});

describe('directives', () => {
  const plan = (more = {}) =>
    aPlan({
      jobType: 'BATCH',
      keeper: 'slurm',
      hpcQueue: 'big',
      nodeCount: 2,
      coresPerNode: 3,
      memoryMB: 500,
      maxMinutes: 20,
      ...more,
    });
  const of = (more = {}) => slurmDirectives(plan(more), 'inst');

  it('are sorted, long, and come from the fields of the job', () => {
    expect(of()).toEqual([
      '# Slurm directives.',
      `#SBATCH --comment=kilim:inst:${plan().uuid}`,
      '#SBATCH --job-name=tapisjob.sh',
      '#SBATCH --mem=500',
      '#SBATCH --no-requeue',
      '#SBATCH --nodes=2',
      '#SBATCH --ntasks=6',
      '#SBATCH --open-mode=append',
      `#SBATCH --output=/srv/job/.kilim/${plan().uuid}/stdout`,
      '#SBATCH --partition=big',
      '#SBATCH --time=20',
    ]);
  });

  it.each([
    ['hidden by the profile', { hiddenOptions: ['MEM', 'PARTITION'] }, [], ['--mem=', '--partition=']],
    ['of a repeatable application', { repeatable: true }, [], ['--no-requeue', '--open-mode']],
    ['with an open mode of the user', { schedulerOptions: [anArg('--open-mode=truncate')] }, ['--open-mode=truncate'], ['append']],
    ['with memory per core', { schedulerOptions: [anArg('--mem-per-cpu=1G')] }, ['--mem-per-cpu=1G'], ['--mem=']],
    ['with an output of the user', { schedulerOptions: [anArg('-o mine.txt')] }, ['--output=mine.txt'], ['/stdout']],
    ['with two logs', { logConfig: { stdoutFilename: 'o', stderrFilename: 'e' } }, [`/${aPlan().uuid}/stdout\n`, `--error=/srv/job/.kilim/${aPlan().uuid}/stderr\n`], []],
    ['with a name', { schedulerOptions: [anArg('-J a:b')] }, ['--job-name=a-b'], ['tapisjob.sh']],
    ['with a comment', { schedulerOptions: [anArg('--comment=my note')] }, [`--comment=kilim:inst:${aPlan().uuid}\\ my\\ note`], []],
    ['with a flag', { schedulerOptions: [anArg('--exclusive'), anArg('--tapis-profile x')] }, ['#SBATCH --exclusive\n'], ['tapis-profile']],
  ] as const)('%s', (_words, more, present, absent) => {
    const text = `${of(more).join('\n')}\n`;
    for (const word of present) expect(text).toContain(word);
    for (const word of absent) expect(text).not.toContain(word);
  }); // prettier-ignore

  it('keep a value in one line whatever is in it', () => {
    const execDir = `/srv/a 'b' "c" #1 %j`;
    const lines = of({ paths: { ...aPlan().paths, execDir } });
    expect(lines).toContain(
      `#SBATCH --output=/srv/a\\ \\'b\\'\\ \\"c\\"\\ \\#1\\ %%j/.kilim/${plan().uuid}/stdout`,
    );
  });
});

/** Words of sbatch, by case. */
const refusals = (release: string): [string, string][] => {
  const file = new URL(`../../fixtures/slurm-${release}/sbatch-refusals.tsv`, import.meta.url);
  const byCase = new Map<string, string[]>();
  for (const line of readFileSync(file, 'utf8').trim().split('\n')) {
    const [name = '', words = ''] = line.split('\t');
    byCase.set(name, [...(byCase.get(name) ?? []), words]);
  }
  return [...byCase].map(([name, words]) => [name, words.join('\n')]);
};

describe('a launch script that ends without a job', () => {
  const parse = (stderr: string) => () =>
    launchSlurm(aPlan(), 'inst').parse({ stdout: '', stderr, exitCode: 73 });

  it.each([
    ["mkdir: cannot create directory '.kilim': No space left on device"],
    ["mkdir: cannot create directory '.kilim': Disk quota exceeded"],
  ])('waits for the disk: %s', (words) => {
    expect(parse(words)).toThrow(expect.objectContaining({ code: 'DISK_FULL', message: words }) as Error);
    expect(meaningOf('DISK_FULL').recover).toBe('disk');
  });

  it('fails in the words of the host otherwise', () => {
    expect(parse('cd: no such folder')).toThrow(expect.objectContaining({ code: 'LAUNCH_FAILED' }) as Error);
  });
});

describe('refusals of sbatch', () => {
  it.each(refusals('24.11'))('that never pass fail the job in its words: %s', (_name, words) => {
    expect(refusal(words)).toMatchObject({
      code: 'LAUNCH_FAILED',
      message: expect.stringContaining(words) as string,
    });
  });

  it.each(refusals('22.05').filter(([name]) => ['limit', 'group'].includes(name)))(
    'that pass block it: %s',
    (_name, words) => {
      expect(refusal(words).code).toBe('SCHEDULER_LIMIT');
    },
  );

  it.each(refusals('22.05').filter(([name]) => ['wall', 'time'].includes(name)))(
    'of what is too big never pass: %s',
    (_name, words) => {
      expect(refusal(words).code).toBe('LAUNCH_FAILED');
    },
  );
});
