import type { ArgSpec } from '../../systems/system.js';
import type { PlannedArg } from '../job-plan.js';
import type { JobArgSpec } from '../request.js';
import type { Faults } from './faults.js';
import { addDuplicates, joinText, sameNotes } from './plan-input.js';

/**
 * Merges an application's arguments with the request's: the application's in their order, then what the request
 * adds (specification: jobs §2.7.1). Texts are as written: macros are replaced later.
 */
export function mergeArgs(
  faults: Faults,
  field: string,
  app: readonly ArgSpec[],
  request: readonly JobArgSpec[],
): PlannedArg[] {
  addDuplicates(faults, field, app.map(({ name }) => name), 'application'); // prettier-ignore
  addDuplicates(faults, field, request.map(({ name }) => name)); // prettier-ignore
  const asked = new Map(request.flatMap((item) => (item.name ? [[item.name, item] as const] : [])));
  const head = app.flatMap((spec) => {
    const item = asked.get(spec.name);
    if (!isKept(faults, field, spec, item)) return [];
    const merged = override(spec, item);
    if (isComplete(merged)) return [merged];
    if (spec.inputMode !== 'INCLUDE_BY_DEFAULT') faults.add(field, spec.name, 'has no value in "arg"');
    return [];
  });
  const known = new Set(app.map(({ name }) => name));
  const tail = request.filter(({ name }) => !name || !known.has(name)).map(plain);
  for (const arg of tail) if (!isComplete(arg)) faults.add(field, arg.name, 'has no value in "arg"');
  return [...head, ...tail.filter(isComplete)];
}

const isComplete = ({ arg }: PlannedArg): boolean => arg.trim() !== '';

function isKept(faults: Faults, field: string, spec: ArgSpec, item: JobArgSpec | undefined): boolean {
  switch (spec.inputMode ?? 'INCLUDE_ON_DEMAND') {
    case 'REQUIRED':
      return true;
    case 'FIXED':
      if (item && !repeats(spec, item))
        faults.add(field, spec.name, 'is FIXED by the application and cannot be changed');
      return true;
    case 'INCLUDE_BY_DEFAULT':
      return item?.include !== false;
    case 'INCLUDE_ON_DEMAND':
      return item !== undefined && item.include !== false;
  }
}

const repeats = (spec: ArgSpec, item: JobArgSpec): boolean =>
  (item.arg ?? spec.arg ?? '') === (spec.arg ?? '') && (!item.notes || sameNotes(item.notes, spec.notes));

const override = (spec: ArgSpec, item: JobArgSpec | undefined): PlannedArg => ({
  name: spec.name,
  description: joinText(spec.description, item?.description),
  include: item?.include ?? null,
  arg: item?.arg?.trim() ? item.arg : (spec.arg ?? ''),
  notes: item?.notes ?? spec.notes ?? null,
});

const plain = (item: JobArgSpec): PlannedArg => ({
  name: item.name ?? null,
  description: item.description ?? null,
  include: item.include ?? null,
  arg: item.arg ?? '',
  notes: item.notes ?? null,
});
