import { z } from 'zod';

/** `null` for an optional member means absent (specification: platform §8.6). */
export const orNull = <T extends z.ZodType>(schema: T) =>
  schema.nullish().transform((value) => value ?? null);

const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;
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

export const int = z.int().max(2147483647);
export const notes = z.record(z.string(), z.unknown());
export const inputMode = z.enum(['REQUIRED', 'FIXED', 'INCLUDE_ON_DEMAND', 'INCLUDE_BY_DEFAULT']);
/** -1, null and absent: no limit. */
export const limit = z
  .int()
  .nullish()
  .transform((value) => (value === null || value === undefined || value < 0 ? 2147483647 : value));

/** Echoes of a fetched definition that may be posted back, and are ignored. */
export const echoes = Object.fromEntries(
  [
    'tenant',
    'uuid',
    'deleted',
    'created',
    'updated',
    'isPublic',
    'sharedWithUsers',
    'isDynamicEffectiveUser',
    'parentId',
    'importRefId',
    'sharedAppCtx',
    'hostKey',
  ].map((name) => [name, z.unknown().optional()]),
);

export const keyValue = z.strictObject({
  key: z
    .string()
    .min(1)
    .refine((key) => !key.startsWith('_tapis'), 'may not start with _tapis'),
  value: z
    .string()
    .nullish()
    .transform((value) => value ?? ''),
  description: z.string().max(2048).nullish(),
  inputMode: inputMode.optional(),
  notes: notes.optional(),
});

/** Legacy `meta: {name, required}` of published tutorials is read (specification: jobs §2.3, platform §4.3). */
const meta = z.strictObject({ name: z.string().nullish(), required: z.boolean().nullish() }).nullish();

export const argSpecs = z
  .array(
    z.strictObject({
      name: z.string().min(1).max(80).nullish(),
      description: z.string().max(8096).nullish(),
      inputMode: inputMode.nullish(),
      arg: z.string().nullish(),
      notes: notes.nullish(),
      meta,
    }),
  )
  .nullish()
  .transform((list) =>
    (list ?? []).map(({ meta: legacy, name, inputMode: mode, arg, description, notes: free }, i) => ({
      name: name ?? legacy?.name ?? `arg${i + 1}`,
      description: description ?? null,
      inputMode: mode ?? (legacy?.required ? ('REQUIRED' as const) : ('INCLUDE_ON_DEMAND' as const)),
      arg: arg ?? null,
      notes: free ?? {},
    })),
  );

export const jobArgs = z
  .array(
    z
      .strictObject({
        name: z.string().min(1).max(80).nullish(),
        description: z.string().max(8096).nullish(),
        include: z.boolean().nullish(),
        arg: z.string().min(1).nullish(),
        notes: notes.nullish(),
        meta,
      })
      .transform(({ meta: legacy, ...item }) => ({ ...item, name: item.name ?? legacy?.name ?? null })),
  )
  .max(10_000)
  .nullish();
