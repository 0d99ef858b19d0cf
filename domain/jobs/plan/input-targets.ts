import { normalizePath } from '../../files/path.js';
import { hasUserInfo, NO_LOGIN, shownUrl } from '../../files/shown-url.js';
import { resolveMacros } from '../../macros.js';
import type { System } from '../../systems/system.js';
import type { EnvVariable, PlannedInput } from '../job-plan.js';
import { hasControl } from './characters.js';
import type { Faults } from './faults.js';
import { resolvePath, type Values } from './host-eval.js';
import type { RawInput } from './inputs.js';

export interface InputSettings {
  exec: Pick<System, 'id' | 'rootDir'>;
  values: Values;
  /** The sharing grantor, where the application is shared. */
  grantor: string | null;
}

export interface SettledInputs {
  inputs: PlannedInput[];
  /** `envKey` → target path or target directory, relative to the input directory (jobs §2.10, §2.11). */
  env: EnvVariable[];
}

/** The most inputs of a job: each becomes an input of the plan and a transfer of its own. */
const MOST_INPUTS = 1_000;
const LOCAL = /^tapislocal:\/\/[^/]*/i;
const URL_SHAPE = /^(tapis|tapislocal|https?):\/\/[^/\s]+/i;

/** Resolves sources and targets; two inputs may not land at the same place (specification: jobs §2.10, §9.4). */
export function settleInputs(
  faults: Faults,
  raw: readonly RawInput[],
  settings: InputSettings,
): SettledInputs {
  const count = raw.reduce((sum, { sourceUrls }) => sum + sourceUrls.length, 0);
  if (count > MOST_INPUTS) {
    faults.add('fileInputs', count, `inputs, with those of fileInputArrays, are more than ${MOST_INPUTS}`);
    return { inputs: [], env: [] };
  }
  const perInput = raw.map((input, i) =>
    input.field === 'fileInputs'
      ? settleOne(faults, input, settings)
      : settleArray(faults, input, settings, i),
  );
  const inputs = perInput.flatMap((one) => one.inputs);
  // what is mounted and what is copied live in different places
  for (const isLocal of [false, true]) {
    const targets = new Set<string>();
    for (const { sourceUrl, targetPath } of inputs.filter(
      (input) => LOCAL.test(input.sourceUrl) === isLocal,
    )) {
      if (targets.has(targetPath))
        faults.add('fileInputs', shownUrl(sourceUrl), `has the target ${targetPath}, as another input has`);
      targets.add(targetPath);
      if (!isLocal && isLaunchFile(targetPath, settings.values))
        faults.add(
          'fileInputs',
          shownUrl(sourceUrl),
          `has the target ${targetPath}, where the job keeps its own files`,
        );
    }
  }
  return { inputs, env: perInput.flatMap((one) => one.env) };
}

/** The launch files are written after the inputs, and would replace one of the same name. */
function isLaunchFile(target: string, { macros }: Values): boolean {
  const execDir = normalizePath(macros['ExecSystemExecDir'] ?? '/');
  const place = normalizePath(`${macros['ExecSystemInputDir'] ?? '/'}/${target}`);
  const name =
    execDir === '' ? place : place.startsWith(`${execDir}/`) ? place.slice(execDir.length + 1) : '';
  return ['tapisjob.sh', 'tapisjob.env', '.kilim'].includes(name) || name.startsWith('.kilim/');
}

function settleOne(faults: Faults, input: RawInput, settings: InputSettings): SettledInputs {
  const [url = ''] = input.sourceUrls;
  const source = faults.try('fileInputs.sourceUrl', shownUrl(url), null, () => sourceOf(url, settings));
  if (source === null) return { inputs: [], env: [] };
  const target = faults.try('fileInputs.targetPath', input.target, null, () =>
    isUnset(input.target)
      ? lastSegment(source)
      : normalizePath(resolvePath(input.target, settings.exec, settings.values)),
  );
  if (target === null) return { inputs: [], env: [] };
  if (target === '') {
    if (!isUnset(input.target))
      faults.add(
        'fileInputs.targetPath',
        input.target,
        'names the input directory itself; name a place in it',
      );
    else if (!input.optional) faults.add('fileInputs', shownUrl(url), 'ends in / and needs a targetPath');
    return { inputs: [], env: [] };
  }
  const planned: PlannedInput = {
    name: input.name,
    description: input.description,
    envKey: input.envKey,
    autoMountLocal: input.autoMountLocal,
    sourceUrl: source,
    targetPath: target,
    optional: input.optional,
    srcSharedCtx: contextOf(input, url, settings),
    notes: input.notes,
  };
  return { inputs: [planned], env: variable(input.envKey, target) };
}

/** Each URL becomes an input of its own; the variable of the array tells the directory. */
function settleArray(faults: Faults, array: RawInput, settings: InputSettings, i: number): SettledInputs {
  const dir = faults.try('fileInputArrays.targetDir', array.target, '', () =>
    isUnset(array.target) ? '' : normalizePath(resolvePath(array.target, settings.exec, settings.values)),
  );
  const inputs = array.sourceUrls.flatMap((url, j): PlannedInput[] => {
    const field = 'fileInputArrays.sourceUrls';
    if (LOCAL.test(url)) faults.add(field, url, 'may not be tapislocal');
    const source = faults.try(field, shownUrl(url), null, () => sourceOf(url, settings));
    if (source === null) return [];
    const last = lastSegment(source);
    if (last === '') {
      if (!array.optional)
        faults.add(field, shownUrl(url), 'ends in /, so that it names no file or directory');
      return [];
    }
    return [{
      name: `${array.name ?? 'unnamed'}_${i}.${j}`,
      description: array.description,
      envKey: null,
      autoMountLocal: false,
      sourceUrl: source,
      targetPath: dir === '' ? last : `${dir}/${last}`,
      optional: array.optional,
      srcSharedCtx: contextOf(array, url, settings),
      notes: array.notes,
    }]; // prettier-ignore
  });
  return { inputs, env: inputs.length > 0 ? variable(array.envKey, dir === '' ? '/' : dir) : [] };
}

/** The source with macros resolved; HOST_EVAL is known in the path of a `tapislocal` one. */
function sourceOf(url: string, { exec, values }: InputSettings): string {
  const local = LOCAL.exec(url);
  if (local) {
    if (local[0].length === 'tapislocal://'.length) throw new Error('must read tapislocal://exec.tapis/path');
    const path = resolvePath(url.slice(local[0].length), exec, values);
    return `tapislocal://exec.tapis/${normalizePath(path)}`;
  }
  const source = resolveMacros(url, values.macros);
  if (hasControl(source)) throw new Error('contains a control character');
  if (!URL_SHAPE.test(source))
    throw new Error('must start with tapis://, tapislocal://, http:// or https:// and a host or system');
  if (hasUserInfo(source)) throw new Error(NO_LOGIN);
  if (/^http/i.test(source) && !URL.canParse(source)) throw new Error('is not a URL that can be fetched');
  return source.replace(/^[a-z]+/i, (scheme) => scheme.toLowerCase());
}

/** Absent, blank or `*`. */
const isUnset = (target: string | null): target is null => !target?.trim() || target.trim() === '*';

const lastSegment = (url: string): string => {
  const path = url.replace(/^[a-z]+:\/\/[^/]*/i, '');
  const bare = /^https?:/i.test(url) ? path.replace(/[?#].*$/s, '') : path;
  const last = bare.split('/').at(-1) ?? '';
  return last === '.' || last === '..' ? '' : last;
};

const contextOf = ({ appUrls }: RawInput, url: string, { grantor }: InputSettings): string | null =>
  grantor !== null && /^tapis:/i.test(url) && appUrls.includes(url) ? grantor : null;

const variable = (key: string | null, value: string): EnvVariable[] =>
  key ? [{ key, value, description: null, include: null, notes: null }] : [];
