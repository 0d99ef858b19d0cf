import { AsyncLocalStorage } from 'node:async_hooks';

/** For whom hosts are asked. Where many wait at a host, each user's commands wait in turn (gate.ts, run-together.ts). */
export interface Errand {
  /** Tenant and user; empty for Kilim's own errands, such as watching a host. It may be set while the work goes on. */
  user: string;
}

const errands = new AsyncLocalStorage<Errand>();

/** Runs the work and all that it begins as an errand for a user. */
export const runErrand = <T>(errand: Errand, work: () => T): T => errands.run(errand, work);

export const askedFor = (): string => errands.getStore()?.user ?? '';
