/** Keys per statement: far below the bound values that a statement may have, and few enough to keep each answer short. */
const BATCH = 400;

/** Reads many rows by their keys, in several statements. */
export async function inBatches<K, R>(keys: readonly K[], ask: (some: K[]) => Promise<R[]>): Promise<R[]> {
  const rows: R[] = [];
  for (let from = 0; from < keys.length; from += BATCH)
    rows.push(...(await ask(keys.slice(from, from + BATCH))));
  return rows;
}

/** The rows in the order of their keys. A database returns them in any order; keys without a row are left out. */
export function inOrder<R, K>(keys: readonly K[], rows: readonly R[], keyOf: (row: R) => K): R[] {
  const byKey = new Map(rows.map((row) => [keyOf(row), row]));
  return keys.flatMap((key) => byKey.get(key) ?? []);
}
