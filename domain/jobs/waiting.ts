import type { RecoverySubject } from '../errors.js';

const SECOND = 1000;
const MINUTE = 60 * SECOND;

/** `[how often, milliseconds]`, in turn; the last one without end. */
type Steps = readonly (readonly [number, number])[];

const at = (steps: Steps, position: number): number => {
  let left = position;
  for (const [times, wait] of steps) {
    if (left < times) return wait;
    left -= times;
  }
  return steps.at(-1)?.[1] ?? MINUTE;
};

/** By then the watcher has looked at it: it looks within seconds where a job is new to it (watch-host.ts). */
const FIRST_LISTED = 70 * SECOND;

/** How long until a job looks for itself, by the looks so far. While a watcher lists it only the rare ones remain. */
const LOOKS: Steps = [[1, SECOND], [5, 10 * SECOND], [10, MINUTE], [Infinity, 10 * MINUTE]]; // prettier-ignore

export const lookDelay = (looksSoFar: number, isWatched: boolean, isListed: boolean): number =>
  isWatched ? (isListed ? 10 * MINUTE : FIRST_LISTED) : at(LOOKS, looksSoFar);

/** How long until a job asks again whose keeper gave no clear answer yet. */
export const settleDelay = (attempt: number): number =>
  at([[5, SECOND], [5, 5 * SECOND], [Infinity, 20 * SECOND]], attempt - 1); // prettier-ignore

/** How long until a job asks again whose host is busy with its image; within get-once.ts's patience, or the pull is given up. */
export const busyDelay = (attempt: number): number =>
  at([[5, SECOND / 2], [10, SECOND], [60, 5 * SECOND], [Infinity, 10 * SECOND]], attempt - 1); // prettier-ignore

/** How long until a cause of BLOCKED is tested again. All jobs of a host share one probe, so the first steps may be short. */
const RECOVERY: Record<RecoverySubject, Steps> = {
  host: [[6, 10 * SECOND], [10, 30 * SECOND], [30, MINUTE], [Infinity, 5 * MINUTE]],
  login: [[3, MINUTE], [Infinity, 5 * MINUTE]],
  hostKey: [[60, 10 * SECOND], [Infinity, MINUTE]],
  disk: [[Infinity, MINUTE]],
  system: [[60, 10 * SECOND], [Infinity, MINUTE]],
  app: [[60, 10 * SECOND], [Infinity, MINUTE]],
  // who is next is told when a place is free; to ask is for a word that was lost
  quota: [[2, MINUTE], [Infinity, 5 * MINUTE]],
  scheduler: [[6, 10 * SECOND], [10, 30 * SECOND], [Infinity, MINUTE]],
}; // prettier-ignore

export const recoveryDelay = (subject: RecoverySubject, attempt: number): number =>
  at(RECOVERY[subject], attempt - 1);

/** What a person can do about it; part of the BLOCKED message. */
export const CURE: Record<RecoverySubject, string> = {
  host: 'Kilim looks again by itself; the job goes on when the host answers.',
  login:
    'Mend what it names, or register a working credential for the system; the job goes on by itself within minutes, or at once by a resume.',
  hostKey:
    'The owner of the system must accept the new host key (POST /v3/systems/{id}/hostKey). Where each user of the system has a separate credential, the owner of a job that was launched before must accept it too. The job then goes on.',
  disk: 'Free space on the host; the job then goes on by itself, or at once by a resume.',
  system: 'Enable the system; the job then goes on by itself.',
  app: 'Enable the application; the job then goes on by itself.',
  quota: 'The job starts when another one ends.',
  scheduler: 'Kilim asks it again by itself, and submits a job once, never twice.',
};
