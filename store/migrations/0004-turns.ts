import type { Step } from './step.js';

/** When a waiter was told that a place is free: for a moment it is his turn. */
export const turns: Step = () => ['alter table waiters add column woken text'];
