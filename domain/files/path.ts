import { KilimError } from '../errors.js';

// control characters in a path are never meant
const CONTROL = new RegExp('[\\u0000-\\u001f\\u007f-\\u009f]');

/**
 * A path below a system's rootDir, normalised: no slash at either end, no empty, `.` or `..` segment; `''` is rootDir itself.
 * `..` at the top is dropped, it never escapes (specification: platform §5.1).
 * @throws KilimError PATH_INVALID
 */
export function normalizePath(path: string): string {
  if (CONTROL.test(path))
    throw new KilimError('PATH_INVALID', `The path ${JSON.stringify(path)} contains a control character.`);
  return normalizeFound(path);
}

/**
 * The same for a path that exists on a host already: a name there may hold every byte but NUL and the slash.
 * @throws KilimError PATH_INVALID
 */
export function normalizeFound(path: string): string {
  if (path.includes('\0')) throw new KilimError('PATH_INVALID', 'The path contains a NUL character.');
  if (path.length > 4096) throw new KilimError('PATH_INVALID', 'The path is longer than 4096 characters.');
  const segments: string[] = [];
  for (const segment of path.split('/')) {
    if (segment === '..') segments.pop();
    else if (segment !== '' && segment !== '.') segments.push(segment);
  }
  return segments.join('/');
}

/** The absolute path on the host; the normalised path cannot leave rootDir by its text. */
export const joinRoot = (rootDir: string, path: string): string =>
  withoutEndSlashes(`${withoutEndSlashes(rootDir)}/${normalizeFound(path)}`) || '/';

/**
 * The text without slashes at its end. A loop, because the pattern `\/+$` takes quadratic time for slashes in the
 * middle.
 */
export function withoutEndSlashes(text: string): string {
  let end = text.length;
  while (text[end - 1] === '/') end--;
  return text.slice(0, end);
}
