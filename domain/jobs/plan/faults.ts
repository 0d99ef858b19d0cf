import { KilimError } from '../../errors.js';

/** Collects every fault of a request; one answer names them all. */
export class Faults {
  readonly all: string[] = [];

  add(field: string, value: unknown, rule: string): void {
    const shown = value === undefined || value === null ? '' : ` ${JSON.stringify(value).slice(0, 120)}`;
    this.all.push(`${field}:${shown} ${rule}`);
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

// both say what they refuse by code point (specification: jobs §2.4)
const CONTROL = new RegExp('[\\u0000-\\u001f\\u007f-\\u009f]');
const DANGEROUS = /[&><|;`]/;

export const hasControl = (text: string): boolean => CONTROL.test(text);
export const isDangerous = (text: string): boolean => CONTROL.test(text) || DANGEROUS.test(text);

export function checkText(
  faults: Faults,
  field: string,
  text: string | null | undefined,
  kind: 'control' | 'dangerous',
): void {
  if (text === null || text === undefined) return;
  if (hasControl(text)) faults.add(field, text, 'contains a control character');
  else if (kind === 'dangerous' && DANGEROUS.test(text))
    faults.add(field, text, 'contains one of & > < | ; `');
}
