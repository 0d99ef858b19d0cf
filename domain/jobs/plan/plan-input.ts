import type { App } from '../../apps/app.js';
import type { SchedulerProfile, System } from '../../systems/system.js';
import type { HostKind } from '../keeper.js';
import type { JobRequest } from '../request.js';

/** All that planning needs to know; whoever plans has loaded it with the owner's rights. */
export interface PlanInput {
  uuid: string;
  /** ISO-8601 UTC with microseconds and `Z`. */
  now: string;
  caller: { tenant: string; user: string; isAdmin: boolean };
  request: JobRequest;
  app: App;
  /** The grantor, where the app came to its reader through a share; `appReader` says the same. */
  sharedAppCtx?: string | null;
  appReader?: { sharedAppCtx: string | null };
  /** Where the execution system is; over SSH when nothing is said. */
  hostKind?: HostKind;
  /** `archive` null: the execution system itself. `dtn`: only where `choiceOfSystems` wants it. */
  systems: { exec: System; archive: System | null; dtn?: System | null };
  /** Login user by system id, resolved by the caller. */
  loginUsers: Readonly<Record<string, string>>;
  /** What `choiceOfSystems(…).profileName` names. */
  profile: SchedulerProfile | null;
  /** Whether the owner of that profile administers the tenant. */
  isProfileOwnerAdmin?: boolean;
  /** `<systemId>:<VAR>` → what the host says; see `hostEvalsNeeded`. */
  hostEvals: Readonly<Record<string, string | null>>;
}

export interface Counts {
  nodeCount: number;
  coresPerNode: number;
  memoryMB: number;
  maxMinutes: number;
}

export type Named = Pick<PlanInput, 'request' | 'app' | 'systems'>;

export const grantorOf = (input: Pick<PlanInput, 'sharedAppCtx' | 'appReader'>): string | null =>
  (input.appReader?.sharedAppCtx ?? input.sharedAppCtx)?.trim() || null;

/** The two texts of a description with a blank line between them. */
export const joinText = (
  first: string | null | undefined,
  second: string | null | undefined,
): string | null => [first, second].filter(Boolean).join('\n\n') || null;

/** Equal notes, whatever the order of their keys; absent ones are `{}`. */
export const sameNotes = (one: unknown, other: unknown): boolean =>
  JSON.stringify(sorted(one ?? {})) === JSON.stringify(sorted(other ?? {}));

const sorted = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, item]) => [key, sorted(item)]),
  );
};

export function addDuplicates(
  faults: { add: (field: string, value: unknown, rule: string) => void },
  field: string,
  names: readonly (string | null | undefined)[],
  where = 'request',
): void {
  const seen = new Set<string>();
  for (const name of names) {
    if (!name) continue;
    if (seen.has(name)) faults.add(field, name, `is named twice (${where})`);
    seen.add(name);
  }
}
