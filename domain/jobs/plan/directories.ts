import { joinRoot, normalizePath } from '../../files/path.js';
import { parseHostEval, resolveMacros } from '../../macros.js';
import type { System } from '../../systems/system.js';
import { checkText, type Faults } from './faults.js';
import type { PlanInput } from './plan-job.js';

const EXEC_DIR = '${JobWorkingDir}/jobs/${JobUUID}';

type Wanted = Pick<PlanInput, 'request' | 'app' | 'systems'>;

const wantedDirs = (
  { request, app, systems }: Wanted,
  isOneSystem: boolean,
): { field: string; macro: string; text: string; system: System }[] => {
  const ours = app.jobAttributes;
  const { exec } = systems;
  const archive = systems.archive ?? exec;
  const archiveDefault = isOneSystem ? '${ExecSystemOutputDir}' : '/jobs/${JobUUID}/archive';
  return [
    { field: 'jobWorkingDir', macro: 'JobWorkingDir', text: exec.jobWorkingDir ?? '/', system: exec },
    {
      field: 'execSystemInputDir',
      macro: 'ExecSystemInputDir',
      text: request.execSystemInputDir ?? ours.execSystemInputDir ?? EXEC_DIR,
      system: exec,
    },
    {
      field: 'execSystemExecDir',
      macro: 'ExecSystemExecDir',
      text: request.execSystemExecDir ?? ours.execSystemExecDir ?? EXEC_DIR,
      system: exec,
    },
    {
      field: 'execSystemOutputDir',
      macro: 'ExecSystemOutputDir',
      text: request.execSystemOutputDir ?? ours.execSystemOutputDir ?? `${EXEC_DIR}/output`,
      system: exec,
    },
    {
      field: 'archiveSystemDir',
      macro: 'ArchiveSystemDir',
      text: request.archiveSystemDir ?? ours.archiveSystemDir ?? archiveDefault,
      system: archive,
    },
  ];
};

/** The variables that hosts must be asked for before a job can be planned (specification: jobs §3.2). */
export const hostEvalsNeeded = (input: Wanted): { systemId: string; variable: string }[] =>
  wantedDirs(
    input,
    input.systems.archive === null || input.systems.archive.id === input.systems.exec.id,
  ).flatMap(({ text, system }) => {
    try {
      const found = parseHostEval(text);
      return found ? [{ systemId: system.id, variable: found.variable }] : [];
    } catch {
      return []; // planning reports it with its field
    }
  });

/** The five directories of a job, in their order: a later one may use the macros of the earlier (jobs §3.1, §4). */
export function settleDirectories(
  faults: Faults,
  input: PlanInput,
  macros: Record<string, string>,
  isOneSystem: boolean,
) {
  const wanted = wantedDirs(input, isOneSystem);
  // a literal directory can be used from an earlier one
  for (const { macro, text } of wanted)
    if (!text.includes('${') && !text.includes('HOST_EVAL(')) macros[macro] = `/${normalizeQuietly(text)}`;
  for (const { field, macro, text, system } of wanted) {
    macros[macro] = faults.try(field, text, '/', () => settle(faults, field, text, system, input, macros));
  }
  const dir = (macro: string): string => macros[macro] ?? '/';
  const rootDir = input.systems.exec.rootDir;
  return {
    exec: {
      execSystemInputDir: dir('ExecSystemInputDir'),
      execSystemExecDir: dir('ExecSystemExecDir'),
      execSystemOutputDir: dir('ExecSystemOutputDir'),
    },
    archiveSystemDir: dir('ArchiveSystemDir'),
    paths: {
      rootDir,
      inputDir: joinRoot(rootDir, dir('ExecSystemInputDir')),
      execDir: joinRoot(rootDir, dir('ExecSystemExecDir')),
      outputDir: joinRoot(rootDir, dir('ExecSystemOutputDir')),
    },
  };
}

function settle(
  faults: Faults,
  field: string,
  text: string,
  system: System,
  input: PlanInput,
  macros: Record<string, string>,
): string {
  checkText(faults, field, text, 'control');
  const asked = parseHostEval(text);
  let resolved = text;
  if (asked) {
    const said = input.hostEvals[`${system.id}:${asked.variable}`] || asked.fallback;
    if (!said)
      throw new Error(
        `the variable ${asked.variable} is not set on ${system.id} and HOST_EVAL has no default`,
      );
    resolved = said + asked.suffix;
  }
  resolved = resolveMacros(resolved, macros);
  if (resolved.split('/').includes('..')) throw new Error('may not contain ..');
  // what the host says is absolute there; below rootDir it is relative to it
  const root = system.rootDir.replace(/\/+$/, '');
  if (asked && root !== '' && `${resolved}/`.startsWith(`${root}/`)) resolved = resolved.slice(root.length);
  return `/${normalizePath(resolved)}`;
}

const normalizeQuietly = (text: string): string => {
  try {
    return normalizePath(text);
  } catch {
    return '';
  }
};
