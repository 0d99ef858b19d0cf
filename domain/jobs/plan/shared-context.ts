import { dtnDirs } from './directories.js';
import type { Named } from './plan-input.js';

export type SharedAttribute =
  | 'SAC_EXEC_SYSTEM_ID'
  | 'SAC_EXEC_SYSTEM_EXEC_DIR'
  | 'SAC_EXEC_SYSTEM_INPUT_DIR'
  | 'SAC_EXEC_SYSTEM_OUTPUT_DIR'
  | 'SAC_ARCHIVE_SYSTEM_ID'
  | 'SAC_ARCHIVE_SYSTEM_DIR'
  | 'SAC_DTN_SYSTEM_ID'
  | 'SAC_DTN_SYSTEM_INPUT_DIR'
  | 'SAC_DTN_SYSTEM_OUTPUT_DIR';

type Text = string | null | undefined;

/** The application names it, and the request does not say otherwise. */
const isApps = (ours: Text, asked: Text): boolean => Boolean(ours) && (asked ?? ours) === ours;

/** As `isApps`, or both are silent, so that the default applies. */
const isAppsOrDefault = (ours: Text, asked: Text): boolean => (ours ? isApps(ours, asked) : !asked);

/**
 * What of a shared application is used with its grantor's rights (specification: jobs §11.3): only what the job's
 * submitter did not choose. Empty where nothing is shared.
 */
export function sharedAttributes(grantor: string | null, named: Named): SharedAttribute[] {
  if (grantor === null) return [];
  const { request, app, systems } = named;
  const ours = app.jobAttributes;
  const exec = isApps(ours.execSystemId, request.execSystemId);
  const output = exec && isAppsOrDefault(ours.execSystemOutputDir, request.execSystemOutputDir);
  const isOneSystem = systems.archive === null || systems.archive.id === systems.exec.id;
  const archive = ours.archiveSystemId
    ? isApps(ours.archiveSystemId, request.archiveSystemId)
    : isOneSystem && exec;
  // the default on the execution system is the output directory, and no more the grantor's than that
  const isOwnDefault = isOneSystem && !ours.archiveSystemDir && !request.archiveSystemDir;
  const archiveDir =
    archive && isAppsOrDefault(ours.archiveSystemDir, request.archiveSystemDir) && (!isOwnDefault || output);
  const dtn = exec && Boolean(systems.dtn);
  const { inputDir, outputDir } = dtnDirs(named);
  const granted: Record<SharedAttribute, boolean> = {
    SAC_EXEC_SYSTEM_ID: exec,
    SAC_EXEC_SYSTEM_EXEC_DIR: exec && isAppsOrDefault(ours.execSystemExecDir, request.execSystemExecDir),
    SAC_EXEC_SYSTEM_INPUT_DIR: exec && isAppsOrDefault(ours.execSystemInputDir, request.execSystemInputDir),
    SAC_EXEC_SYSTEM_OUTPUT_DIR: output,
    SAC_ARCHIVE_SYSTEM_ID: archive,
    SAC_ARCHIVE_SYSTEM_DIR: archiveDir,
    SAC_DTN_SYSTEM_ID: dtn,
    SAC_DTN_SYSTEM_INPUT_DIR: dtn && inputDir !== null && inputDir === ours.dtnSystemInputDir,
    SAC_DTN_SYSTEM_OUTPUT_DIR: dtn && outputDir !== null && outputDir === ours.dtnSystemOutputDir,
  };
  return (Object.keys(granted) as SharedAttribute[]).filter((name) => granted[name]);
}
