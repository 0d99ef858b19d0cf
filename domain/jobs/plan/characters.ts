import type { Faults } from './faults.js';

// refused by code point (specification: jobs §2.4)
const CONTROL = new RegExp('[\\u0000-\\u001f\\u007f-\\u009f]');
// a value of the environment may have lines and tabs, as a key in PEM or a text of JSON
const CONTROL_IN_VALUE = new RegExp('[\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f]');
const DANGEROUS = /[&><|;`]/;

export const hasControl = (text: string): boolean => CONTROL.test(text);
export const isDangerous = (text: string): boolean => CONTROL.test(text) || DANGEROUS.test(text);
/** A path segment equal to `..`; `a..b` is fine. */
export const hasTraversal = (path: string): boolean => path.split('/').includes('..');

const CONTROL_RULE = 'contains a control character';
const DANGEROUS_RULE = 'contains one of & > < | ; `';

export function refuseControl(faults: Faults, field: string, text: string | null | undefined): void {
  if (text && hasControl(text)) faults.add(field, text, CONTROL_RULE);
}

export function refuseControlInValue(faults: Faults, field: string, value: string): void {
  if (CONTROL_IN_VALUE.test(value))
    faults.add(field, value, `${CONTROL_RULE} other than a tab or a line break`);
}

export function refuseDangerous(faults: Faults, field: string, text: string | null | undefined): void {
  if (text && isDangerous(text)) faults.add(field, text, hasControl(text) ? CONTROL_RULE : DANGEROUS_RULE);
}

/** Container arguments and scheduler options: control characters nowhere, dangerous ones not in the option's name. */
export function refuseDangerousName(faults: Faults, field: string, option: string): void {
  const [name = ''] = option.trim().split(/[\s=]/);
  if (hasControl(option)) faults.add(field, option, CONTROL_RULE);
  else if (isDangerous(name)) faults.add(field, option, `${DANGEROUS_RULE} in the name of the option`);
}
