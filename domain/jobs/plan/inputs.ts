import type { App, AppFileInput, AppFileInputArray } from '../../apps/app.js';
import type { PlannedInput } from '../job-plan.js';
import type { JobFileInput, JobFileInputArray, JobRequest } from '../request.js';
import { checkText, type Faults } from './faults.js';

/** File inputs and input arrays, merged by name with the application's (specification: jobs §2.10, §2.11). */
export function mergeInputs(
  faults: Faults,
  app: App,
  request: JobRequest,
  sharedAppCtx: string | null,
): PlannedInput[] {
  const single = mergeSingle(faults, app, request.fileInputs ?? [], sharedAppCtx);
  const arrays = mergeArrays(faults, app.jobAttributes.fileInputArrays, request.fileInputArrays ?? []);
  const all = [...single, ...arrays];
  const targets = new Set<string>();
  for (const input of all) {
    if (input.sourceUrl.startsWith('tapislocal:')) continue;
    if (targets.has(input.targetPath))
      faults.add('fileInputs', input.targetPath, 'is the target of two inputs');
    targets.add(input.targetPath);
  }
  return all;
}

function mergeSingle(
  faults: Faults,
  app: App,
  asked: readonly JobFileInput[],
  grantor: string | null,
): PlannedInput[] {
  const specs = app.jobAttributes.fileInputs;
  const byName = named(faults, 'fileInputs', asked);
  const result: PlannedInput[] = [];
  for (const spec of specs) {
    const item = byName.get(spec.name);
    const mode = spec.inputMode ?? 'OPTIONAL';
    if (
      item &&
      mode === 'FIXED' &&
      ((item.sourceUrl ?? spec.sourceUrl) !== spec.sourceUrl ||
        (item.targetPath ?? spec.targetPath) !== spec.targetPath)
    ) {
      faults.add('fileInputs', spec.name, 'is FIXED by the application and cannot be changed');
    }
    const planned = settle(faults, { ...spec, ...given(item) }, spec, mode);
    if (planned)
      result.push({ ...planned, srcSharedCtx: planned.sourceUrl === spec.sourceUrl ? grantor : null });
  }
  for (const item of asked) {
    if (item.name && specs.some(({ name }) => name === item.name)) continue;
    if (app.strictFileInputs) {
      faults.add(
        'fileInputs',
        item.name ?? item.sourceUrl,
        'is not an input of the application, which allows no others (strictFileInputs)',
      );
      continue;
    }
    const planned = settle(faults, item, null, 'REQUIRED');
    if (planned) result.push({ ...planned, optional: false });
  }
  return result;
}

const given = (item: JobFileInput | undefined): Partial<AppFileInput> =>
  Object.fromEntries(
    Object.entries(item ?? {}).filter(([, value]) => value !== null && value !== undefined && value !== ''),
  );

function settle(
  faults: Faults,
  item: Partial<AppFileInput> | JobFileInput,
  spec: AppFileInput | null,
  mode: 'OPTIONAL' | 'REQUIRED' | 'FIXED',
): PlannedInput | null {
  const isOptional = spec !== null && mode === 'OPTIONAL';
  const { sourceUrl } = item;
  if (!sourceUrl) {
    if (!isOptional) faults.add('fileInputs', item.name, 'has no sourceUrl');
    return null;
  }
  checkText(faults, 'fileInputs.sourceUrl', sourceUrl, 'control');
  if (!/^(tapis|tapislocal|https?):\/\/[^/]+/i.test(sourceUrl)) {
    faults.add(
      'fileInputs.sourceUrl',
      sourceUrl,
      'must start with tapis://, tapislocal://, http:// or https:// and a host',
    );
    return null;
  }
  const target = targetOf(item.targetPath, sourceUrl);
  if (target === '') {
    if (!isOptional) faults.add('fileInputs', sourceUrl, 'ends in / and needs a targetPath');
    return null;
  }
  checkText(faults, 'fileInputs.targetPath', target, 'control');
  if (target.split('/').includes('..')) faults.add('fileInputs.targetPath', target, 'may not contain ..');
  return {
    name: item.name ?? null,
    description: item.description ?? null,
    envKey: item.envKey ?? null,
    autoMountLocal: item.autoMountLocal ?? true,
    sourceUrl: sourceUrl.replace(/^tapislocal:\/\/[^/]+/, 'tapislocal://exec.tapis'),
    targetPath: target,
    optional: isOptional,
    srcSharedCtx: null,
    notes: item.notes ?? null,
  };
}

/** Absent, blank or `*`: the last segment of the URL. */
const targetOf = (targetPath: string | null | undefined, sourceUrl: string): string => {
  const wanted = targetPath?.trim() ?? '';
  const text = wanted === '' || wanted === '*' ? lastSegment(sourceUrl) : wanted;
  return text.replace(/\/{2,}/g, '/').replace(/^\/|\/$/g, '');
};

const lastSegment = (url: string): string =>
  url
    .replace(/^[a-z]+:\/\/[^/]*/i, '')
    .replace(/[?#].*$/, '')
    .split('/')
    .at(-1) ?? '';

function mergeArrays(
  faults: Faults,
  specs: readonly AppFileInputArray[],
  asked: readonly JobFileInputArray[],
): PlannedInput[] {
  const byName = named(faults, 'fileInputArrays', asked);
  const merged = specs.flatMap((spec) => {
    const item = byName.get(spec.name);
    const sourceUrls = item?.sourceUrls?.length ? item.sourceUrls : (spec.sourceUrls ?? []);
    const mode = spec.inputMode ?? 'OPTIONAL';
    if (sourceUrls.length === 0 && mode !== 'OPTIONAL')
      faults.add('fileInputArrays', spec.name, 'has no sourceUrls');
    return sourceUrls.length > 0
      ? [
          {
            ...spec,
            ...item,
            targetDir: item?.targetDir ?? spec.targetDir,
            sourceUrls,
            optional: mode === 'OPTIONAL',
          },
        ]
      : [];
  });
  const extra = asked
    .filter(({ name }) => !name || !specs.some((spec) => spec.name === name))
    .map((item) => ({ ...item, optional: false }));
  return [...merged, ...extra].flatMap((array, i) =>
    (array.sourceUrls ?? []).flatMap((sourceUrl, j) => {
      if (sourceUrl.startsWith('tapislocal:')) {
        faults.add('fileInputArrays', sourceUrl, 'may not be tapislocal');
        return [];
      }
      const dir = !array.targetDir || array.targetDir === '*' ? '' : `${array.targetDir}/`;
      const planned = settle(
        faults,
        { sourceUrl, targetPath: `${dir}${lastSegment(sourceUrl)}`, autoMountLocal: false },
        null,
        'REQUIRED',
      );
      return planned
        ? [
            {
              ...planned,
              name: `${array.name ?? 'unnamed'}_${i}.${j}`,
              envKey: j === 0 ? (array.envKey ?? null) : null,
              optional: array.optional,
            },
          ]
        : [];
    }),
  );
}

function named<T extends { name?: string | null }>(
  faults: Faults,
  field: string,
  items: readonly T[],
): Map<string, T> {
  const map = new Map<string, T>();
  for (const item of items) {
    if (!item.name) continue;
    if (map.has(item.name)) faults.add(field, item.name, 'is named twice');
    map.set(item.name, item);
  }
  return map;
}
