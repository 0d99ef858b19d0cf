import { KilimError } from '../../errors.js';

/** Collects every fault of a request; one answer names them all. */
export class Faults {
  readonly all: string[] = [];

  add(field: string, value: unknown, rule: string): void {
    const shown = value === undefined || value === null ? '' : ` ${JSON.stringify(value).slice(0, 120)}`;
    const fault = `${field}:${shown} ${rule}`;
    if (!this.all.includes(fault)) this.all.push(fault);
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
    if (this.all.length > 0) throw new KilimError('INVALID_REQUEST', this.all.join('\n'));
  }
}
