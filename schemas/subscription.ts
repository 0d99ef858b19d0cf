import { z } from 'zod';

import { hasUserInfo } from '../domain/files/shown-url.js';
import { list, orTrue } from './fields.js';

const IN_APPLICATIONS = [
  'ALL', 'JOB_NEW_STATUS', 'JOB_INPUT_TRANSACTION_ID', 'JOB_ARCHIVE_TRANSACTION_ID', 'JOB_ERROR_MESSAGE', 'JOB_SUBSCRIPTION',
] as const; // prettier-ignore
const IN_JOBS = [...IN_APPLICATIONS, 'JOB_SHARE_EVENT', 'JOB_USER_EVENT'] as const;

const WEEK = 7 * 24 * 60;
const MOST_MINUTES = 4 * WEEK;
/** null and 0 mean a week, and more than four weeks mean four (specification: jobs §1.12). */
const minutes = z
  .int()
  .min(0)
  .nullish()
  .transform((given) => Math.min(given || WEEK, MOST_MINUTES));

/** One address, as mail programs show it; whether it exists is known when something is sent to it. */
const EMAIL = /^[^\s@<>,;:"()[\]\\]{1,64}@[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$/;

const isWebUrl = (text: string): boolean =>
  URL.canParse(text) && ['http:', 'https:'].includes(new URL(text).protocol);

const target = z
  .strictObject({
    deliveryMethod: z.enum(['WEBHOOK', 'EMAIL']),
    deliveryAddress: z.string().min(1).max(2048),
  })
  .superRefine(({ deliveryMethod: method, deliveryAddress: address }, context) => {
    const fault = (message: string): void =>
      context.addIssue({ code: 'custom', path: ['deliveryAddress'], message });
    if (hasUserInfo(address)) fault('may not hold a URL with a user name or password');
    else if (method === 'WEBHOOK' && !isWebUrl(address)) fault('must be an http or https URL for WEBHOOK');
    else if (method === 'EMAIL' && !EMAIL.test(address)) fault('must be one mail address for EMAIL');
  });

const common = {
  description: z
    .string()
    .max(2048)
    .nullish()
    .transform((text) => text || null),
  enabled: orTrue,
  ttlMinutes: minutes,
  deliveryTargets: list(target, 20).refine((all) => all.length > 0, 'needs at least one target'),
};

/** Older documents spell it in small letters. */
const eitherSpelling = (given: unknown): unknown => {
  if (typeof given !== 'object' || given === null || !('ttlminutes' in given)) return given;
  const { ttlminutes, ...rest } = given as Record<string, unknown>;
  return 'ttlMinutes' in rest ? given : { ...rest, ttlMinutes: ttlminutes };
};

/** In a request for a job (specification: jobs §1.12). */
export const jobSubscription = z.preprocess(
  eitherSpelling,
  z.strictObject({ ...common, eventCategoryFilter: z.enum(IN_JOBS) }),
);

/** In an application, where the category has another name (specification: platform §4.4). */
export const appSubscription = z.preprocess(
  eitherSpelling,
  z.strictObject({ ...common, jobEventCategoryFilter: z.enum(IN_APPLICATIONS) }),
);
