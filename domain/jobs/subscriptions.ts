import type { JobPlan } from './job-plan.js';

/** What a user is told of the subscriptions of a job; nothing where it has none. */
export const notDelivered = ({ subscriptions }: Pick<JobPlan, 'subscriptions'>): string => {
  if (subscriptions.length === 0) return '';
  const these =
    subscriptions.length === 1 ? 'Its subscription is' : `Its ${subscriptions.length} subscriptions are`;
  return `${these} kept on the record, but this version of Kilim delivers no events.`;
};
