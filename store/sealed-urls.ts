import { CUT, shownUrl } from '../domain/files/shown-url.js';
import type { EnvVariable, JobPlan } from '../domain/jobs/job-plan.js';

/*
 * The query of a URL may hold a signature that gives the right to fetch it. The row of a job holds the plan unsealed, and
 * answers show it, so that queries are cut out there. The whole URLs are sealed with the environment, for the steps that
 * fetch them.
 */

/** The whole URLs: of the image, and of the inputs by their index in the plan. */
interface Urls {
  containerImage?: string;
  inputs: Record<number, string>;
}

/** What the sealed column holds: the bare environment where no URL has a query, and always in rows of older releases. */
export type Sealed = EnvVariable[] | { env: EnvVariable[]; urls: Urls };

const hasQuery = (url: string): boolean => /^https?:/i.test(url) && shownUrl(url) !== url;

/** The plan for the row, without the queries of its URLs, and what is sealed with it. */
export function splitUrls(plan: JobPlan, env: EnvVariable[]): { shown: JobPlan; sealed: Sealed } {
  const { containerImage, inputs } = plan;
  const inImage = hasQuery(containerImage);
  const secret = inputs.flatMap(({ sourceUrl }, i) => (hasQuery(sourceUrl) ? [[i, sourceUrl] as const] : []));
  if (!inImage && secret.length === 0) return { shown: plan, sealed: env };
  const cut = (url: string): string => (hasQuery(url) ? shownUrl(url) : url);
  return {
    shown: {
      ...plan,
      containerImage: cut(containerImage),
      inputs: inputs.map((input) => ({ ...input, sourceUrl: cut(input.sourceUrl) })),
    },
    sealed: { env, urls: { inputs: Object.fromEntries(secret), ...(inImage ? { containerImage } : {}) } },
  };
}

/** Whether queries were cut out of the plan. A plan of an older release has its queries. */
export const isCut = ({ containerImage, inputs }: JobPlan): boolean =>
  [containerImage, ...inputs.map(({ sourceUrl }) => sourceUrl)].some((url) => url.endsWith(CUT));

export const envOf = (sealed: Sealed): EnvVariable[] => (Array.isArray(sealed) ? sealed : sealed.env);

/** The plan with its whole URLs again. */
export function joinUrls(plan: JobPlan, sealed: Sealed): JobPlan {
  if (Array.isArray(sealed)) return plan;
  const { containerImage = plan.containerImage, inputs } = sealed.urls;
  return {
    ...plan,
    containerImage,
    inputs: plan.inputs.map((input, i) => ({ ...input, sourceUrl: inputs[i] ?? input.sourceUrl })),
  };
}
