let last = 0;

/** Our clock as the wire has it: UTC, microseconds, `Z`; never twice the same within a process. */
export function now(): string {
  last = Math.max(last + 1, Date.now() * 1000);
  const micros = String(last % 1000).padStart(3, '0');
  return new Date(Math.floor(last / 1000)).toISOString().replace('Z', `${micros}Z`);
}

/** In the same form, so that texts compare as instants. */
export const ago = (ms: number): string => new Date(Date.now() - ms).toISOString().replace('Z', '000Z');
