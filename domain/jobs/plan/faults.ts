import { KilimError } from '../../errors.js';
import { replaceMacros, type MacroValues } from '../../macros.js';

/** Collects the faults of a request, so that one answer names all of them, up to the first hundred. */
export class Faults {
  private readonly found = new Set<string>();
  private hasMore = false;

  /** The faults in the order in which they were found, each of them once. */
  get all(): string[] {
    return [...this.found];
  }

  add(field: string, value: unknown, rule: string): void {
    const shown = value === undefined || value === null ? '' : ` ${inShort(value)}`;
    const fault = `${field}:${shown} ${rule}`;
    if (this.found.size < MOST) this.found.add(fault);
    else this.hasMore ||= !this.found.has(fault);
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
    const more = this.hasMore ? [`There are further faults; these are the first ${MOST}.`] : [];
    if (this.found.size > 0) throw new KilimError('INVALID_REQUEST', [...this.all, ...more].join('\n'));
  }
}

/** An answer with more faults than this is too long to be read, and each fault may quote a value of the request. */
const MOST = 100;
const LONGEST = 120;

/** The beginning of a value as JSON; a long text is cut before it is made JSON. */
const inShort = (value: unknown): string =>
  JSON.stringify(typeof value === 'string' ? value.slice(0, LONGEST) : value).slice(0, LONGEST);

/** A text with the values of its macros; a text that grows too long by them is a fault of the field. */
export const filled = (faults: Faults, field: string, text: string, macros: MacroValues): string =>
  faults.try(field, text, '', () => replaceMacros(text, macros));
