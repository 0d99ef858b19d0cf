/** One figure: what is measured, what it must reach, and how to measure it. */
export interface Figure {
  name: string;
  /** One sentence. */
  what: string;
  /** By the measure's name: at most, or at least. */
  targets: Readonly<Record<string, { atMost: number } | { atLeast: number }>>;
  /** The measures, with their units in their names, and the parameters that were used. */
  measure: (options: Options) => Promise<Measured>;
}

export interface Measured {
  measures: Record<string, number>;
  parameters?: Record<string, unknown>;
}

/** Numbers from the command line (`--jobs 50`); a figure takes those it knows. */
export type Options = Readonly<Record<string, number>>;

/** The value that a share of all values does not exceed, e.g. 0.95. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? NaN;
}

export const rounded = (value: number, digits = 1): number => Number(value.toFixed(digits));
