import { AsyncLocalStorage } from 'node:async_hooks';

/**
 * The user for whose job or request commands are sent to hosts. Where many commands wait for a host, those of each user are
 * taken in turn (gate.ts, run-together.ts).
 */
export interface Errand {
  /** Tenant and user; empty for Kilim's own work, such as watching a host. It may be set while the work goes on. */
  user: string;
}

const errands = new AsyncLocalStorage<Errand>();

/** Runs the work, and everything that it starts, for the user of the errand. */
export const runErrand = <T>(errand: Errand, work: () => T): T => errands.run(errand, work);

/** The user of the errand under way; empty where there is none. */
export const askedFor = (): string => errands.getStore()?.user ?? '';
