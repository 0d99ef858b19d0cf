const PARTIAL =
  /^(\d{4})(?:-(\d{2})(?:-(\d{2})(?:T(\d{2})(?::(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?)?)?)?)?(Z|[+-]\d{2}:\d{2})?$/;

/**
 * The instant at which a partial ISO timestamp begins, as ISO text in UTC with microseconds: `2024-05` →
 * `2024-05-01T00:00:00.000000Z`. Without a zone it is UTC; null for what is none (specification: jobs §1.6).
 */
export function fullTimestamp(text: string): string | null {
  const match = PARTIAL.exec(text);
  if (!match) return null;
  const [year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0] = match
    .slice(1, 7)
    .map((part) => (part === undefined ? undefined : Number(part)));
  if (month < 1 || month > 12 || day < 1 || day > daysOf(year, month)) return null;
  if (hour > 23 || minute > 59 || second > 59) return null;
  const offset = offsetOf(match[8] ?? 'Z');
  if (offset === null) return null;
  const instant = new Date(0);
  instant.setUTCFullYear(year, month - 1, day); // Date.UTC takes the years 0 to 99 for 1900 to 1999
  instant.setUTCHours(hour, minute - offset, second);
  const seconds = instant.toISOString().slice(0, -5);
  if (seconds.length !== 'YYYY-MM-DDTHH:MM:SS'.length) return null; // an offset can lead out of the years with four digits
  return `${seconds}.${(match[7] ?? '').padEnd(6, '0').slice(0, 6)}Z`;
}

const isLeap = (year: number): boolean => (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;

const daysOf = (year: number, month: number): number =>
  month === 2 ? (isLeap(year) ? 29 : 28) : [4, 6, 9, 11].includes(month) ? 30 : 31;

/** Minutes east of Greenwich, at most 18 hours; null for what is none. */
function offsetOf(zone: string): number | null {
  if (zone === 'Z') return 0;
  const [hours = 0, minutes = 0] = zone.slice(1).split(':').map(Number);
  if (minutes > 59 || hours * 60 + minutes > 18 * 60) return null;
  return (zone.startsWith('-') ? -1 : 1) * (hours * 60 + minutes);
}
