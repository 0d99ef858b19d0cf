import { KilimError } from '../../errors.js';
import { replaceMacros, type MacroValues } from '../../macros.js';

/** Collects every fault of a request; one answer names them all. */
export class Faults {
  private readonly found = new Set<string>();

  /** In the order in which they were found; the same one is told once. */
  get all(): string[] {
    return [...this.found];
  }

  add(field: string, value: unknown, rule: string): void {
    const shown = value === undefined || value === null ? '' : ` ${inShort(value)}`;
    if (this.found.size < MOST) this.found.add(`${field}:${shown} ${rule}`);
  }

  /** Runs a piece of planning; what it throws becomes a fault of the field. */
  try<T>(field: string, value: unknown, fallback: T, work: () => T): T {
    try {
      return work();
    } catch (error) {
      this.add(field, value, error instanceof Error ? error.message : String(error));
      return fallback;
    }
  }

  throwIfAny(): void {
    if (this.found.size > 0) throw new KilimError('INVALID_REQUEST', this.all.join('\n'));
  }
}

/** More help nobody, and each can be as long as a value of the request. */
const MOST = 100;
const LONGEST = 120;

/** The begin of a value; a long text is cut before it is written out. */
const inShort = (value: unknown): string =>
  JSON.stringify(typeof value === 'string' ? value.slice(0, LONGEST) : value).slice(0, LONGEST);

/** A text with the values of its macros; one that grows too long is a fault of the field. */
export const filled = (faults: Faults, field: string, text: string, macros: MacroValues): string =>
  faults.try(field, text, '', () => replaceMacros(text, macros));
