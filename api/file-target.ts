import { KilimError } from '../domain/errors.js';
import type { Call } from './route.js';

/** `/v3/files/<what>/<system>[/<path>]`: the remainder is decoded once, whatever slashes it holds (platform §5.1, §8.8). */
export const below = (what: string): RegExp => new RegExp(`^/v3/files/${what}/([^/]+)(?:/(.*))?$`);

export function targetOf({ request }: Call, what: string): { systemId: string; path: string } {
  const [pathname = ''] = (request.url ?? '').split('?');
  const [, systemId = '', rest = ''] = below(what).exec(pathname) ?? [];
  return { systemId: decoded(systemId), path: decoded(rest) };
}

/** @throws KilimError INVALID_REQUEST */
export function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new KilimError('INVALID_REQUEST', 'The path is not well encoded.');
  }
}
