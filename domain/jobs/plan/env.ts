import { NOT_SET, type KeyValue } from '../../systems/system.js';
import type { EnvVariable } from '../job-plan.js';
import type { JobKeyValue } from '../request.js';
import { refuseControlInValue } from './characters.js';
import type { Faults } from './faults.js';
import { addDuplicates, joinText, sameNotes } from './plan-input.js';
import { refuseLargeVariable } from './sizes.js';

const FIELD = 'parameterSet.envVariables';
const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
const RESERVED = '_tapis';

export interface EnvSources {
  system: readonly KeyValue[];
  app: readonly KeyValue[];
  request: readonly JobKeyValue[];
}

/** Environment variables of system, application and request, later ones first (specification: jobs §2.7.3). */
export function mergeEnv(faults: Faults, { system, app, request }: EnvSources): EnvVariable[] {
  for (const [where, list] of Object.entries({ system, application: app, request })) {
    for (const { key } of list) refuseEnvName(faults, FIELD, key, where);
    addDuplicates(faults, FIELD, list.map(({ key }) => key), where); // prettier-ignore
  }
  checkDefinitions(faults, system, app);
  const defined = mergeDefinitions(faults, system, app);
  const asked = new Map(request.map((item) => [item.key, item]));
  const known = [...defined.values()].flatMap((spec) => {
    const item = asked.get(spec.key);
    if (!isKept(faults, spec, item)) return [];
    const merged = override(spec, item);
    return !item && spec.inputMode === 'INCLUDE_BY_DEFAULT' && merged.value === NOT_SET ? [] : [merged];
  });
  const all = [...known, ...request.filter(({ key }) => !defined.has(key)).map(plain)];
  for (const { key, value } of all) {
    refuseControlInValue(faults, `${FIELD}.${key}`, value);
    refuseLargeVariable(faults, `${FIELD}.${key}`, key, value);
    if (value === NOT_SET) faults.add(FIELD, key, 'needs a value');
  }
  return all;
}

export function refuseEnvName(faults: Faults, field: string, key: string, where: string): void {
  if (!NAME.test(key)) faults.add(field, key, `must be a letter or _, then letters, digits or _ (${where})`);
  if (key.startsWith(RESERVED)) faults.add(field, key, `may not start with ${RESERVED} (${where})`);
}

/** Adds the variables of inputs, which may not collide, and those of macros; sorted by key, whatever its case. */
export function completeEnv(
  faults: Faults,
  own: readonly EnvVariable[],
  ofInputs: readonly EnvVariable[],
  ofMacros: readonly EnvVariable[],
): EnvVariable[] {
  const taken = new Set(own.map(({ key }) => key));
  for (const { key } of ofInputs) {
    refuseEnvName(faults, 'envKey', key, 'file inputs');
    if (taken.has(key)) faults.add('envKey', key, 'is already a variable of the job');
    taken.add(key);
  }
  const order = (a: EnvVariable, b: EnvVariable): number =>
    a.key.toLowerCase() < b.key.toLowerCase() ? -1 : a.key.toLowerCase() > b.key.toLowerCase() ? 1 : 0;
  return [...own, ...ofInputs, ...ofMacros].sort(order);
}

type Spec = KeyValue & { inputMode: NonNullable<KeyValue['inputMode']> };

const withMode = (item: KeyValue): Spec => ({
  ...item,
  // definitions of older releases carry null
  value: item.value ?? '',
  inputMode: item.inputMode ?? 'INCLUDE_BY_DEFAULT',
});

function checkDefinitions(faults: Faults, system: readonly KeyValue[], app: readonly KeyValue[]): void {
  for (const { key, value, inputMode } of system.map(withMode)) {
    if (inputMode === 'FIXED' && value === NOT_SET)
      faults.add(FIELD, key, 'is FIXED by the execution system but has no value there');
    if (inputMode === 'REQUIRED' && value !== NOT_SET)
      faults.add(FIELD, key, `is REQUIRED by the execution system and must be ${NOT_SET} there`);
  }
  for (const { key, value, inputMode } of app.map(withMode)) {
    if (inputMode === 'FIXED' && value === NOT_SET)
      faults.add(FIELD, key, 'is FIXED by the application but has no value there');
  }
}

function mergeDefinitions(
  faults: Faults,
  system: readonly KeyValue[],
  app: readonly KeyValue[],
): Map<string, Spec> {
  const merged = new Map<string, Spec>(system.map((item) => [item.key, withMode(item)]));
  for (const item of app.map(withMode)) {
    const below = merged.get(item.key);
    if (below?.inputMode === 'FIXED' && !(item.inputMode === 'FIXED' && isEqual(item, below)))
      faults.add(
        FIELD,
        item.key,
        'is FIXED by the execution system and defined otherwise by the application',
      );
    const isPromoted = below?.inputMode === 'REQUIRED' && item.inputMode.startsWith('INCLUDE_');
    merged.set(item.key, {
      ...item,
      inputMode: isPromoted ? 'REQUIRED' : item.inputMode,
      description: joinText(item.description, below?.description),
    });
  }
  return merged;
}

const isEqual = (one: KeyValue, other: KeyValue): boolean =>
  one.value === other.value && sameNotes(one.notes, other.notes);

function isKept(faults: Faults, spec: Spec, item: JobKeyValue | undefined): boolean {
  switch (spec.inputMode) {
    case 'FIXED':
      if (item && !repeats(spec, item)) faults.add(FIELD, spec.key, 'is FIXED and cannot be changed');
      return true;
    case 'REQUIRED':
      return true;
    case 'INCLUDE_BY_DEFAULT':
      return item?.include !== false; // the variable goes, the request's own value with it
    case 'INCLUDE_ON_DEMAND':
      return item !== undefined && item.include !== false;
  }
}

const isGiven = (value: string | null | undefined): value is string =>
  value !== undefined && value !== null && value !== NOT_SET;

const repeats = (spec: Spec, item: JobKeyValue): boolean =>
  (!isGiven(item.value) || item.value === spec.value) && (!item.notes || sameNotes(item.notes, spec.notes));

const override = (spec: Spec, item: JobKeyValue | undefined): EnvVariable => ({
  key: spec.key,
  value: isGiven(item?.value) ? item.value : spec.value,
  description: joinText(item?.description, spec.description),
  include: item?.include ?? null,
  notes: item?.notes ?? spec.notes ?? null,
});

const plain = (item: JobKeyValue): EnvVariable => ({
  key: item.key,
  value: item.value ?? '',
  description: item.description ?? null,
  include: item.include ?? null,
  notes: item.notes ?? null,
});
