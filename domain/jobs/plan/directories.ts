import { joinRoot, normalizePath } from '../../files/path.js';
import { parseHostEval } from '../../macros.js';
import { NOT_SET, type System } from '../../systems/system.js';
import type { JobPlan, SystemUse } from '../job-plan.js';
import { Faults } from './faults.js';
import { resolvePath } from './host-eval.js';
import { mergeInputs } from './inputs.js';
import type { Named, PlanInput } from './plan-input.js';

const JOB_DIR = '${JobWorkingDir}/jobs/${JobUUID}';

interface Wanted {
  field: string;
  macro: string;
  text: string;
  system: System;
}

/** The directories of a job in their order: a later one may use the macros of the earlier (jobs §3.1, §4). */
function wantedDirs({ request, app, systems: { exec, archive } }: Named): Wanted[] {
  const ours = app.jobAttributes;
  const isOneSystem = archive === null || archive.id === exec.id;
  const archiveDefault = isOneSystem ? '${ExecSystemOutputDir}' : '/jobs/${JobUUID}/archive';
  return [
    { field: 'jobWorkingDir', macro: 'JobWorkingDir', text: exec.jobWorkingDir ?? '/', system: exec },
    { field: 'execSystemInputDir', macro: 'ExecSystemInputDir', text: request.execSystemInputDir ?? ours.execSystemInputDir ?? JOB_DIR, system: exec },
    { field: 'execSystemExecDir', macro: 'ExecSystemExecDir', text: request.execSystemExecDir ?? ours.execSystemExecDir ?? JOB_DIR, system: exec },
    { field: 'execSystemOutputDir', macro: 'ExecSystemOutputDir', text: request.execSystemOutputDir ?? ours.execSystemOutputDir ?? `${JOB_DIR}/output`, system: exec },
    { field: 'archiveSystemDir', macro: 'ArchiveSystemDir', text: request.archiveSystemDir ?? ours.archiveSystemDir ?? archiveDefault, system: archive ?? exec },
  ]; // prettier-ignore
}

/** The two DTN directories as chosen; null where unset (jobs §2.5). */
export function dtnDirs({ request, app }: Pick<Named, 'request' | 'app'>): {
  inputDir: string | null;
  outputDir: string | null;
} {
  const set = (dir: string): string | null => (dir === NOT_SET || dir.trim() === '' ? null : dir);
  return {
    inputDir: set(request.dtnSystemInputDir ?? app.jobAttributes.dtnSystemInputDir),
    outputDir: set(request.dtnSystemOutputDir ?? app.jobAttributes.dtnSystemOutputDir),
  };
}

/** Directories of the transfer node are evaluated on the execution system. */
const wantedDtnDirs = (named: Named): Wanted[] => {
  if (!named.systems.dtn) return [];
  const { inputDir, outputDir } = dtnDirs(named);
  const { exec: system } = named.systems;
  return [
    ...(inputDir ? [{ field: 'dtnSystemInputDir', macro: 'DtnSystemInputDir', text: inputDir, system }] : []),
    ...(outputDir
      ? [{ field: 'dtnSystemOutputDir', macro: 'DtnSystemOutputDir', text: outputDir, system }]
      : []),
  ];
};

/**
 * The variables that hosts must be asked for before a job can be planned (specification: jobs §3.2), only for the
 * values that win. The answers go into `hostEvals` under `<systemId>:<variable>`.
 */
export function hostEvalsNeeded(named: Named): { systemId: string; variable: string }[] {
  const { exec, archive, dtn } = named.systems;
  const roots = [exec, archive, dtn].flatMap((system) => (system ? [{ text: system.rootDir, system }] : []));
  const inputs = mergeInputs(new Faults(), named.app, named.request).flatMap(({ target, sourceUrls }) =>
    [target ?? '', ...sourceUrls.map((url) => url.replace(/^tapislocal:\/\/[^/]*/i, ''))].map((text) => ({
      text,
      system: exec,
    })),
  );
  const found = new Map<string, { systemId: string; variable: string }>();
  for (const { text, system } of [...roots, ...wantedDirs(named), ...wantedDtnDirs(named), ...inputs]) {
    const variable = variableIn(text);
    if (variable) found.set(`${system.id}:${variable}`, { systemId: system.id, variable });
  }
  return [...found.values()];
}

const variableIn = (text: string): string | null => {
  try {
    return parseHostEval(text)?.variable ?? null;
  } catch {
    return null; // planning reports it with its field
  }
};

/** The systems with their rootDir resolved on their hosts. */
export function settleRoots(faults: Faults, input: PlanInput): PlanInput['systems'] {
  const settle = <T extends System | null>(system: T): T => {
    if (!system?.rootDir.includes('HOST_EVAL(')) return system;
    const rootDir = faults.try('rootDir', system.rootDir, '/', () =>
      resolvePath(
        system.rootDir,
        { id: system.id, rootDir: '/' },
        { hostEvals: input.hostEvals, macros: {} },
      ),
    );
    return { ...system, rootDir: `/${normalizePath(rootDir)}` };
  };
  const { exec, archive, dtn } = input.systems;
  return { exec: settle(exec), archive: settle(archive), dtn: settle(dtn ?? null) };
}

export type Directories = Pick<
  JobPlan,
  'execSystemInputDir' | 'execSystemExecDir' | 'execSystemOutputDir' | 'archiveSystemDir' | 'paths'
>;

/** Settles the directories and adds their macros. Needs resolved root directories. */
export function settleDirectories(
  faults: Faults,
  input: PlanInput,
  macros: Record<string, string>,
): Directories {
  const wanted = wantedDirs(input);
  // a literal directory can be used from an earlier one
  for (const { macro, text } of [...wanted, ...wantedDtnDirs(input)]) {
    if (!text.includes('${') && !text.includes('HOST_EVAL(')) macros[macro] = normalizedOr(text, '/');
  }
  settleEach(faults, wanted, input, macros);
  const dir = (macro: string): string => macros[macro] ?? '/';
  const { rootDir } = input.systems.exec;
  return {
    execSystemInputDir: dir('ExecSystemInputDir'),
    execSystemExecDir: dir('ExecSystemExecDir'),
    execSystemOutputDir: dir('ExecSystemOutputDir'),
    archiveSystemDir: dir('ArchiveSystemDir'),
    paths: {
      rootDir,
      inputDir: joinRoot(rootDir, dir('ExecSystemInputDir')),
      execDir: joinRoot(rootDir, dir('ExecSystemExecDir')),
      outputDir: joinRoot(rootDir, dir('ExecSystemOutputDir')),
    },
  };
}

/** The directories of the transfer node come last: they may use all others. */
export function settleDtnDirectories(
  faults: Faults,
  input: PlanInput,
  dtn: SystemUse | null,
  macros: Record<string, string>,
): JobPlan['dtn'] {
  if (!dtn) return null;
  settleEach(faults, wantedDtnDirs(input), input, macros);
  return {
    ...dtn,
    inputDir: macros['DtnSystemInputDir'] ?? null,
    outputDir: macros['DtnSystemOutputDir'] ?? null,
  };
}

function settleEach(
  faults: Faults,
  wanted: Wanted[],
  { hostEvals }: PlanInput,
  macros: Record<string, string>,
): void {
  for (const { field, macro, text, system } of wanted) {
    macros[macro] = faults.try(
      field,
      text,
      '/',
      () => `/${normalizePath(resolvePath(text, system, { hostEvals, macros }))}`,
    );
  }
}

const normalizedOr = (text: string, otherwise: string): string => {
  try {
    return `/${normalizePath(text)}`;
  } catch {
    return otherwise; // reported when the directory is settled
  }
};
