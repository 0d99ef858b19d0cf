/** Far below the bound values that a statement may have, and few enough that one answer is no burden. */
const BATCH = 400;

/** Asks for many rows by their keys in several statements. */
export async function inBatches<K, R>(keys: readonly K[], ask: (some: K[]) => Promise<R[]>): Promise<R[]> {
  const rows: R[] = [];
  for (let from = 0; from < keys.length; from += BATCH)
    rows.push(...(await ask(keys.slice(from, from + BATCH))));
  return rows;
}

/** The rows in the order of their keys; a database returns them in any order, and without those that are gone. */
export function inOrder<R, K>(keys: readonly K[], rows: readonly R[], keyOf: (row: R) => K): R[] {
  const byKey = new Map(rows.map((row) => [keyOf(row), row]));
  return keys.flatMap((key) => byKey.get(key) ?? []);
}
