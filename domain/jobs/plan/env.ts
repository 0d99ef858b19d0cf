import { NOT_SET, type KeyValue } from '../../systems/system.js';
import type { EnvVariable } from '../job-plan.js';
import type { JobKeyValue } from '../request.js';
import { checkText, type Faults } from './faults.js';

const FIELD = 'parameterSet.envVariables';
const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** Environment variables of system, application and request, later ones first (specification: jobs §2.7.3). */
export function mergeEnv(
  faults: Faults,
  system: readonly KeyValue[],
  app: readonly KeyValue[],
  request: readonly JobKeyValue[],
): EnvVariable[] {
  checkNames(faults, 'request', request);
  checkNames(faults, 'application', app);
  const defined = mergeDefinitions(faults, system, app);
  const asked = new Map(request.map((item) => [item.key, item]));
  const result = new Map<string, EnvVariable>();
  for (const [key, spec] of defined) {
    const item = asked.get(key);
    if (isKept(faults, spec, item))
      result.set(key, { ...plain(spec), ...(item ? overriding(spec, item) : {}) });
  }
  for (const item of request) {
    if (!defined.has(item.key))
      result.set(item.key, {
        key: item.key,
        value: item.value ?? '',
        description: item.description ?? null,
        include: item.include ?? null,
        notes: item.notes ?? null,
      });
  }
  for (const [key, { value }] of result) {
    checkText(faults, FIELD, value, 'control');
    if (value !== NOT_SET) continue;
    if (defined.get(key)?.inputMode === 'INCLUDE_BY_DEFAULT' && !asked.has(key)) result.delete(key);
    else faults.add(FIELD, key, 'needs a value');
  }
  return [...result.values()];
}

function checkNames(faults: Faults, where: string, list: readonly { key: string }[]): void {
  const seen = new Set<string>();
  for (const { key } of list) {
    if (!NAME.test(key))
      faults.add(FIELD, key, `must be a letter or _, then letters, digits or _ (${where})`);
    if (key.startsWith('_tapis')) faults.add(FIELD, key, `may not start with _tapis (${where})`);
    if (seen.has(key)) faults.add(FIELD, key, `is given twice (${where})`);
    seen.add(key);
  }
}

type Spec = KeyValue & { inputMode: NonNullable<KeyValue['inputMode']> };

function mergeDefinitions(
  faults: Faults,
  system: readonly KeyValue[],
  app: readonly KeyValue[],
): Map<string, Spec> {
  const merged = new Map<string, Spec>(system.map((item) => [item.key, withMode(item)]));
  for (const item of app) {
    const below = merged.get(item.key);
    const mine = withMode(item);
    if (below?.inputMode === 'FIXED' && !(mine.inputMode === 'FIXED' && mine.value === below.value)) {
      faults.add(
        FIELD,
        item.key,
        'is FIXED by the execution system and defined otherwise by the application',
      );
    }
    const promoted =
      below?.inputMode === 'REQUIRED' && mine.inputMode.startsWith('INCLUDE') ? 'REQUIRED' : mine.inputMode;
    merged.set(item.key, {
      ...mine,
      inputMode: promoted,
      description: [mine.description, below?.description].filter(Boolean).join('\n\n') || null,
    });
  }
  return merged;
}

const withMode = (item: KeyValue): Spec => ({
  ...item,
  value: item.value,
  inputMode: item.inputMode ?? 'INCLUDE_BY_DEFAULT',
});

function isKept(faults: Faults, spec: Spec, item: JobKeyValue | undefined): boolean {
  switch (spec.inputMode) {
    case 'FIXED':
      if (item && (item.value ?? spec.value) !== spec.value)
        faults.add(FIELD, spec.key, 'is FIXED and cannot be changed');
      return true;
    case 'REQUIRED':
      return true;
    case 'INCLUDE_BY_DEFAULT':
      return item?.include !== false; // include=false on a known key removes the variable
    case 'INCLUDE_ON_DEMAND':
      return item !== undefined && item.include !== false;
  }
}

const plain = (spec: Spec): EnvVariable => ({
  key: spec.key,
  value: spec.value,
  description: spec.description ?? null,
  include: null,
  notes: spec.notes ?? null,
});

const overriding = (spec: Spec, item: JobKeyValue): Partial<EnvVariable> => ({
  value: item.value === undefined || item.value === null || item.value === NOT_SET ? spec.value : item.value,
  description: [item.description, spec.description].filter(Boolean).join('\n\n') || null,
  include: item.include ?? null,
  notes: item.notes ?? spec.notes ?? null,
});
