let last = 0;

/** Our clock as the wire has it: UTC, microseconds, `Z`; never twice the same within a process. */
export function now(): string {
  last = Math.max(last + 1, Date.now() * 1000);
  const micros = String(last % 1000).padStart(3, '0');
  return new Date(Math.floor(last / 1000)).toISOString().replace('Z', `${micros}Z`);
}
