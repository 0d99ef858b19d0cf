import type { App, AppFileInput, AppFileInputArray } from '../../apps/app.js';
import { shownUrl } from '../../files/shown-url.js';
import type { JobFileInput, JobFileInputArray, JobRequest } from '../request.js';
import type { Faults } from './faults.js';
import { addDuplicates, joinText, sameNotes } from './plan-input.js';

/** An input after the merge by name: texts as written, macros and HOST_EVAL still in them. */
export interface RawInput {
  field: 'fileInputs' | 'fileInputArrays';
  name: string | null;
  description: string | null;
  envKey: string | null;
  autoMountLocal: boolean;
  sourceUrls: string[];
  /** Target path of the one URL, or target directory of an array's. */
  target: string | null;
  optional: boolean;
  /** The application's own URLs: these are opened with the grantor's rights in a shared application. */
  appUrls: readonly string[];
  notes: Record<string, unknown> | null;
}

type Mode = 'OPTIONAL' | 'REQUIRED' | 'FIXED';
type Spec = AppFileInput | AppFileInputArray;
type Asked = JobFileInput | JobFileInputArray;

/** File inputs and input arrays, merged by name with the application's (specification: jobs §2.10, §2.11). */
export function mergeInputs(faults: Faults, app: App, request: JobRequest): RawInput[] {
  const { fileInputs, fileInputArrays } = app.jobAttributes;
  const isStrict = app.strictFileInputs;
  return [
    ...mergeByName(faults, { field: 'fileInputs', specs: fileInputs, asked: request.fileInputs ?? [], isStrict }),
    ...mergeByName(faults, { field: 'fileInputArrays', specs: fileInputArrays, asked: request.fileInputArrays ?? [], isStrict }),
  ]; // prettier-ignore
}

interface Lists {
  field: RawInput['field'];
  specs: readonly Spec[];
  asked: readonly Asked[];
  isStrict: boolean;
}

function mergeByName(faults: Faults, { field, specs, asked, isStrict }: Lists): RawInput[] {
  addDuplicates(faults, field, specs.map(({ name }) => name), 'application'); // prettier-ignore
  addDuplicates(faults, field, asked.map(({ name }) => name)); // prettier-ignore
  const known = new Set(specs.map(({ name }) => name));
  const askedByName = new Map(asked.toReversed().map((item) => [item.name, item])); // the first item of each name counts
  const isExtra = ({ name }: Asked): boolean => !name || !known.has(name);
  const merged = specs.map((spec) => {
    const item = askedByName.get(spec.name);
    const mode = spec.inputMode ?? 'OPTIONAL';
    if (item && mode === 'FIXED' && !repeats(spec, item))
      faults.add(field, spec.name, 'is FIXED by the application and cannot be changed');
    return rawOf(field, spec, item, mode);
  });
  const extras = asked.filter(isExtra);
  if (isStrict) {
    for (const item of extras)
      faults.add(
        field,
        item.name ?? urlsOf(item).map(shownUrl),
        'is not an input of the application, which allows no others (strictFileInputs)',
      );
  }
  return [...merged, ...(isStrict ? [] : extras.map((item) => rawOf(field, null, item, 'REQUIRED')))].filter(
    (input) => hasSource(faults, input),
  );
}

function rawOf(field: RawInput['field'], spec: Spec | null, item: Asked | undefined, mode: Mode): RawInput {
  const own = item ? urlsOf(item) : [];
  return {
    field,
    name: spec?.name ?? item?.name ?? null,
    description: joinText(spec?.description, item?.description),
    envKey: item?.envKey || spec?.envKey || null,
    autoMountLocal: field === 'fileInputs' && (mountOf(item) ?? mountOf(spec) ?? true),
    sourceUrls: own.length > 0 ? own : urlsOf(spec ?? {}),
    target: targetOf(item ?? {}) ?? targetOf(spec ?? {}),
    optional: spec !== null && mode === 'OPTIONAL',
    appUrls: urlsOf(spec ?? {}),
    notes: item?.notes ?? spec?.notes ?? null,
  };
}

/** A FIXED input may be named, and its equal values repeated. */
function repeats(spec: Spec, item: Asked): boolean {
  const urls = urlsOf(item);
  const isSameSource = urls.length === 0 || JSON.stringify(urls) === JSON.stringify(urlsOf(spec));
  const isSameTarget = targetOf(item) === null || targetOf(item) === targetOf(spec);
  const isSameMount = (mountOf(item) ?? mountOf(spec) ?? true) === (mountOf(spec) ?? true);
  const isSameText = !item.description || item.description === spec.description;
  return (
    isSameSource &&
    isSameTarget &&
    isSameMount &&
    isSameText &&
    (!item.notes || sameNotes(item.notes, spec.notes))
  );
}

type Loose = Partial<Spec> | Asked;

const urlsOf = (item: Loose): string[] => {
  if ('sourceUrls' in item) return (item.sourceUrls ?? []).filter(Boolean);
  return 'sourceUrl' in item && item.sourceUrl ? [item.sourceUrl] : [];
};

const targetOf = (item: Loose): string | null => {
  const text = 'targetDir' in item ? item.targetDir : 'targetPath' in item ? item.targetPath : null;
  return text?.trim() ? text : null;
};

const mountOf = (item: Loose | null | undefined): boolean | null =>
  item && 'autoMountLocal' in item ? (item.autoMountLocal ?? null) : null;

function hasSource(faults: Faults, { field, name, sourceUrls, optional }: RawInput): boolean {
  if (sourceUrls.length > 0) return true;
  const isIgnored = optional || (field === 'fileInputArrays' && name === null);
  if (!isIgnored) faults.add(field, name, `has no ${field === 'fileInputs' ? 'sourceUrl' : 'sourceUrls'}`);
  return false;
}
