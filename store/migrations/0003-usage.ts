import type { Step } from './step.js';

/** What a run used: a JSON text, set once at its end. */
export const usage: Step = () => ['alter table jobs add column used text'];
