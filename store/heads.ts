import { sql, type RawBuilder } from 'kysely';

import type { App } from '../domain/apps/app.js';
import type { AttributeKind } from '../domain/search/attributes.js';
import type { System } from '../domain/systems/system.js';
import { jsonPlace } from './job-columns.js';

/** The members of a document that may be large. They are not searched, not ordered by, and in no summary. */
export const DOCUMENTS_OF = {
  systems: ['jobRuntimes', 'jobEnvVariables', 'batchLogicalQueues', 'jobCapabilities', 'notes'],
  apps: ['jobAttributes', 'notes'],
} as const;
export type HeadTable = keyof typeof DOCUMENTS_OF;

/** The columns of a row that follow from its document. */
export function headColumns(
  table: HeadTable,
  doc: Omit<System, 'hostKey'> | App,
): { doc: string; head: string; owner: string; deleted: number } {
  const large: readonly string[] = DOCUMENTS_OF[table];
  const head = Object.fromEntries(Object.entries(doc).filter(([name]) => !large.includes(name)));
  return {
    doc: JSON.stringify(doc),
    head: JSON.stringify(head),
    owner: doc.owner,
    deleted: doc.deleted ? 1 : 0,
  };
}

/** Attributes that have the same value in all rows. */
const FIXED: ReadonlyMap<string, RawBuilder<unknown>> = new Map([
  ['isPublic', sql`cast(0 as integer)`], // a bare number after ORDER BY is the place of a column
]);

/** The value of an attribute of a system or an application as SQL, to sort by and to compare. */
export function headAttribute(name: string, kind: AttributeKind, isPostgres: boolean): RawBuilder<unknown> {
  if (name === 'isDynamicEffectiveUser')
    return sql`case when ${headAttribute('effectiveUserId', 'string', isPostgres)} = '\${apiUserId}' then 1 else 0 end`;
  return FIXED.get(name) ?? jsonPlace('head', [name], kind, isPostgres);
}
