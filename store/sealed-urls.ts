import { CUT, shownUrl } from '../domain/files/shown-url.js';
import type { EnvVariable, JobPlan } from '../domain/jobs/job-plan.js';

/*
 * The query of a URL may be the right to fetch it. A plan stands in its row in clear, and answers show it: there a query is
 * cut out, and the whole URL is sealed beside the environment, for the steps that fetch.
 */

/** Whole URLs: of the application, and by the place of an input in the plan. */
interface Urls {
  containerImage?: string;
  inputs: Record<number, string>;
}

/** What the sealed column holds: a list where no URL has a query, as it always did in older releases. */
export type Sealed = EnvVariable[] | { env: EnvVariable[]; urls: Urls };

const hasQuery = (url: string): boolean => /^https?:/i.test(url) && shownUrl(url) !== url;

/** The plan for the row, and what is sealed beside it. */
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

/** Whether something of the plan is sealed apart; one of an older release is whole. */
export const isCut = ({ containerImage, inputs }: JobPlan): boolean =>
  [containerImage, ...inputs.map(({ sourceUrl }) => sourceUrl)].some((url) => url.endsWith(CUT));

export const envOf = (sealed: Sealed): EnvVariable[] => (Array.isArray(sealed) ? sealed : sealed.env);

/** The plan with whole URLs. */
export function joinUrls(plan: JobPlan, sealed: Sealed): JobPlan {
  if (Array.isArray(sealed)) return plan;
  const { containerImage = plan.containerImage, inputs } = sealed.urls;
  return {
    ...plan,
    containerImage,
    inputs: plan.inputs.map((input, i) => ({ ...input, sourceUrl: inputs[i] ?? input.sourceUrl })),
  };
}
