import { expect, it } from 'vitest';

import { KilimError } from '../../../domain/errors.js';
import { startFault } from '../../../domain/start-fault.js';

const lastLine = (error: unknown): string => startFault(error).split('\n').at(-1) ?? '';

it.each([
  [new Error('Kilim cannot start: KILIM_PORT must be a port number.'), 'Kilim cannot start: KILIM_PORT must be a port number.'],
  [new KilimError('CANNOT_START', 'The port is taken.'), 'Kilim cannot start: The port is taken.'],
  [new KilimError('INVALID_REQUEST', 'seed.json: users: is missing'), 'Kilim cannot start: seed.json: users: is missing'],
  [new TypeError('x is not\na function'), 'Kilim cannot start: x is not a function'],
  ['a word', 'Kilim cannot start: a word'],
])('begins with the refusal where another start would fail in the same way: %j', (error, line) => {
  expect(lastLine(error)).toBe(line);
}); // prettier-ignore

it.each([
  [new KilimError('STORE_UNAVAILABLE', 'The store does not answer.')],
  [new KilimError('ENGINE_UNAVAILABLE', 'Temporal does not answer.')],
  [Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:7233'), { code: 'ECONNREFUSED' })],
  [Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' })],
])('asks for another start where the fault may pass: %j', (error) => {
  expect(startFault(error)).toBe(error.message);
});

it('prints the stack of a fault of the program, and none of a refusal', () => {
  expect(startFault(new TypeError('x is no function'))).toContain('start-fault.test.ts');
  expect(startFault(new KilimError('CANNOT_START', 'No.'))).toBe('Kilim cannot start: No.');
});
