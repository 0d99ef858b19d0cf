import type { ArgSpec } from '../../systems/system.js';
import type { JobArgSpec } from '../request.js';
import type { PlannedArg } from '../job-plan.js';
import { checkText, isDangerous, type Faults } from './faults.js';

type ListName = 'appArgs' | 'containerArgs' | 'schedulerOptions';

/** Merges an application's arguments with the request's, application first (specification: jobs §2.7.1). */
export function mergeArgs(
  faults: Faults,
  list: ListName,
  app: readonly ArgSpec[],
  request: readonly JobArgSpec[],
): PlannedArg[] {
  const field = `parameterSet.${list}`;
  const named = new Map<string, JobArgSpec>();
  for (const item of request) {
    if (!item.name) continue;
    if (named.has(item.name)) faults.add(field, item.name, 'is named twice');
    named.set(item.name, item);
  }
  const kept = app.filter((spec) => isKept(faults, field, spec, named.get(spec.name)));
  const head = kept.map((spec) => override(spec, named.get(spec.name)));
  const known = new Set(app.map(({ name }) => name));
  const tail = request
    .filter(({ name }) => !name || !known.has(name))
    .map((item) => ({
      ...blank,
      name: item.name ?? null,
      description: item.description ?? null,
      include: item.include ?? null,
      arg: item.arg ?? '',
      notes: item.notes ?? null,
    }));
  const byDefault = new Set(
    app.filter(({ inputMode }) => inputMode === 'INCLUDE_BY_DEFAULT').map(({ name }) => name),
  );
  return [...head, ...tail].filter((item) => {
    if (item.arg.trim() === '') {
      if (!(item.name && byDefault.has(item.name))) faults.add(field, item.name, 'has no value in "arg"');
      return false;
    }
    checkArg(faults, list, item.arg);
    return true;
  });
}

const blank: PlannedArg = { name: null, description: null, include: null, arg: '', notes: null };

function isKept(faults: Faults, field: string, spec: ArgSpec, item: JobArgSpec | undefined): boolean {
  switch (spec.inputMode ?? 'INCLUDE_ON_DEMAND') {
    case 'REQUIRED':
      return true;
    case 'FIXED':
      if (
        item &&
        ((item.arg ?? spec.arg) !== spec.arg ||
          (item.notes && JSON.stringify(item.notes) !== JSON.stringify(spec.notes ?? {})))
      ) {
        faults.add(field, spec.name, 'is FIXED by the application and cannot be changed');
      }
      return true;
    case 'INCLUDE_BY_DEFAULT':
      return item?.include !== false;
    case 'INCLUDE_ON_DEMAND':
      return item !== undefined && item.include !== false;
  }
}

const override = (spec: ArgSpec, item: JobArgSpec | undefined): PlannedArg => ({
  name: spec.name,
  description: [spec.description, item?.description].filter(Boolean).join('\n\n') || null,
  include: item?.include ?? null,
  arg: item?.arg?.trim() ? item.arg : (spec.arg ?? ''),
  notes: item?.notes ?? spec.notes ?? null,
});

const checkArg = (faults: Faults, list: ListName, arg: string): void => {
  if (list === 'appArgs') return checkText(faults, 'parameterSet.appArgs', arg, 'dangerous');
  checkText(faults, `parameterSet.${list}`, arg, 'control');
  const [option = ''] = arg.trim().split(/[\s=]/);
  if (isDangerous(option))
    faults.add(`parameterSet.${list}`, arg, 'has one of & > < | ; ` in its option name');
};
