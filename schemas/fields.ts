import { z } from 'zod';

import { NOT_SET, UNLIMITED } from '../domain/systems/system.js';

/** The most elements of a list in a request, unless the list has a limit of its own. */
export const MOST_ELEMENTS = 1_000;
/** Arguments of an application are given as lists of files, or made by programs. */
const MOST_ARGUMENTS = 4_000;
/** A text for a command line or the environment: Linux allows 128 KiB for one such text. */
export const longText = z.string().max(131_071);

/** The number of elements is checked before the elements are: half a million wrong elements would make as many faults. */
export const list = <T extends z.ZodType>(item: T, most = MOST_ELEMENTS) =>
  z.array(z.unknown()).max(most).pipe(z.array(item));

/** A list whose elements hold lists in the member `inner`; all these inner lists together may have as many elements as one list. */
export const listOfLists = <T extends z.ZodType>(inner: string, item: T, most: number) =>
  z
    .array(z.unknown())
    .max(most)
    .refine(
      (all) => all.reduce<number>((sum, one) => sum + lengthOf(one, inner), 0) <= MOST_ELEMENTS,
      `may have at most ${MOST_ELEMENTS} ${inner} in all`,
    )
    .pipe(z.array(item));
const lengthOf = (one: unknown, inner: string): number => {
  const held = typeof one === 'object' && one !== null ? (one as Record<string, unknown>)[inner] : null;
  return Array.isArray(held) ? held.length : 0;
};

/** `null` for an optional member means absent (specification: platform §8.6). */
export const orNull = <T extends z.ZodType>(schema: T) =>
  schema.nullish().transform((value) => value ?? null);
/** Of a text for which the origin asks no minimal length, "" means absent as well (specification: platform §4.3). */
export const orAbsent = <T extends z.ZodType<string>>(schema: T) =>
  z.union([z.literal('').transform(() => null), orNull(schema)]);
export const orFalse = z.boolean().nullish().transform((on) => on ?? false); // prettier-ignore
export const orTrue = z.boolean().nullish().transform((on) => on ?? true); // prettier-ignore
export const orEmpty = <T extends z.ZodType>(item: T, most?: number) => list(item, most).nullish().transform((all): z.output<T>[] => all ?? []); // prettier-ignore
export const orNumber = (otherwise: number, min = -UNLIMITED) => z.int().min(min).max(UNLIMITED).nullish().transform((n) => n ?? otherwise); // prettier-ignore

const CONTROL = new RegExp('[\\u0000-\\u001f\\u007f-\\u009f]');
export const plain = (max: number) =>
  z
    .string()
    .min(1)
    .max(max)
    .refine((text) => !CONTROL.test(text), 'contains a control character');

/** Ids of systems and applications (platform §3.1). */
export const resourceId = z
  .string()
  .max(80)
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9._~-]*$/,
    'must start with a letter or digit; then letters, digits and . _ ~ -',
  );

export const int = z.int().max(UNLIMITED);
const MOST_NOTES_BYTES = 64 * 1024;
/** Is free data of a user small enough? Lists of records read it, so it may not be large. */
export const isSmall = (free: unknown): boolean =>
  Buffer.byteLength(JSON.stringify(free ?? null)) <= MOST_NOTES_BYTES;
export const TOO_LARGE = 'may have at most 64 KiB as JSON';
export const notes = z.record(z.string(), z.unknown()).refine(isSmall, TOO_LARGE);
const inputMode = z.enum(['REQUIRED', 'FIXED', 'INCLUDE_ON_DEMAND', 'INCLUDE_BY_DEFAULT']);
/** -1, null and absent: no limit. */
export const limit = z
  .int()
  .max(UNLIMITED)
  .nullish()
  .transform((value) => (value === null || value === undefined || value < 0 ? UNLIMITED : value));
/** The same where a stored 0 means that nothing was said (platform §3.2). */
export const maximum = limit.transform((value) => (value <= 0 ? UNLIMITED : value));

const ECHOES = [
  'tenant', 'uuid', 'deleted', 'created', 'updated', 'isPublic', 'sharedWithUsers', 'isDynamicEffectiveUser', 'parentId', 'importRefId',
  'sharedAppCtx', 'hostKey',
] as const; // prettier-ignore
type Echo = (typeof ECHOES)[number];

/** Read-only members of a fetched definition may be posted back; a schema with them ends with `.transform(withoutEchoes)`. */
export const echoes = Object.fromEntries(ECHOES.map((name) => [name, z.unknown().optional()])) as Record<
  Echo,
  z.ZodOptional<z.ZodUnknown>
>;
export const withoutEchoes = <T extends object>(given: T): Omit<T, Echo> =>
  Object.fromEntries(
    Object.entries(given).filter(([name]) => !(ECHOES as readonly string[]).includes(name)),
  ) as Omit<T, Echo>;

const firstTwice = (names: readonly string[]): string | undefined => {
  const seen = new Set<string>();
  return names.find((name) => seen.has(name) || !seen.add(name));
};

/** Adds an issue for the first name that comes twice. */
export const unique = (context: z.RefinementCtx, field: string, names: readonly string[]): void => {
  const twice = firstTwice(names);
  if (twice === undefined) return;
  const message = `names ${JSON.stringify(twice.slice(0, 80))} twice`;
  context.addIssue({ code: 'custom', path: field.split('.'), message });
};

const keyValue = z.strictObject({
  key: plain(255).refine((key) => !key.startsWith('_tapis'), 'may not start with _tapis'),
  value: longText.nullish(),
  description: z.string().max(2048).nullish(),
  inputMode: inputMode.nullish(),
  notes: notes.nullish(),
});

type KeyValue = z.output<typeof keyValue>;

const defined = ({ key, value, description, inputMode: mode, notes: free }: KeyValue) => ({
  key,
  value: value ?? (mode === 'REQUIRED' ? NOT_SET : ''),
  description: description ?? null,
  inputMode: mode ?? ('INCLUDE_BY_DEFAULT' as const),
  notes: free ?? {},
});

const fixedHasValue = ({ inputMode: mode, value }: KeyValue, fault: (message: string) => void): void => {
  if (mode === 'FIXED' && value === NOT_SET) fault('must be set for FIXED');
};

const faultOfValue =
  (context: z.RefinementCtx) =>
  (message: string): void =>
    context.addIssue({ code: 'custom', path: ['value'], message });

const uniqueKeys = (all: readonly { key: string }[], context: z.RefinementCtx): void => {
  const twice = firstTwice(all.map(({ key }) => key));
  if (twice !== undefined) context.addIssue({ code: 'custom', message: `sets the key ${twice} twice` });
};

/** Environment of a system; keys are unique. A REQUIRED variable is one that the application or the request must set. */
export const systemEnvVariables = orEmpty(
  keyValue
    .superRefine((one, context) => {
      fixedHasValue(one, faultOfValue(context));
      if (one.inputMode === 'REQUIRED' && one.value && one.value !== NOT_SET)
        faultOfValue(context)('must be unset for REQUIRED');
    })
    .transform((one) => ({ ...defined(one), ...(one.inputMode === 'REQUIRED' && { value: NOT_SET }) })),
).superRefine(uniqueKeys);

/** Environment of an application; keys are unique. The value of a REQUIRED variable is a default, which a request may replace. */
export const appEnvVariables = orEmpty(
  keyValue.superRefine((one, context) => fixedHasValue(one, faultOfValue(context))).transform(defined),
).superRefine(uniqueKeys);

/** Legacy `meta: {name, required, …}` of published tutorials is read (specification: jobs §2.3, platform §4.3). */
const meta = z.looseObject({ name: z.string().max(80).nullish(), required: z.boolean().nullish() }).nullish();

const argSpecsOf = (most: number) =>
  list(
    z.strictObject({
      name: z.string().min(1).max(80).nullish(),
      description: z.string().max(8096).nullish(),
      inputMode: inputMode.nullish(),
      arg: longText.nullish(),
      notes: notes.nullish(),
      meta,
    }),
    most,
  )
    .nullish()
    .transform((all) =>
      (all ?? []).map(({ meta: legacy, name, inputMode: mode, arg, description, notes: free }, i) => ({
        name: name ?? legacy?.name ?? `arg${i + 1}`,
        description: description ?? null,
        inputMode: mode ?? (legacy?.required ? ('REQUIRED' as const) : ('INCLUDE_ON_DEMAND' as const)),
        arg: arg ?? null,
        notes: free ?? {},
      })),
    );

export const argSpecs = argSpecsOf(MOST_ELEMENTS);
export const appArgSpecs = argSpecsOf(MOST_ARGUMENTS);

const jobArgsOf = (most: number) =>
  list(
    z
      .strictObject({
        name: z.string().min(1).max(80).nullish(),
        description: z.string().max(8096).nullish(),
        include: z.boolean().nullish(),
        arg: longText.min(1).nullish(),
        notes: notes.nullish(),
        meta,
      })
      .transform(({ meta: legacy, ...item }) => ({ ...item, name: item.name ?? legacy?.name ?? null })),
    most,
  ).nullish();
export const jobArgs = jobArgsOf(MOST_ELEMENTS);
export const jobAppArgs = jobArgsOf(MOST_ARGUMENTS);
