import { KilimError } from '../domain/errors.js';
import type { Call } from './route.js';

const PATHS = {
  ops: /^\/v3\/files\/ops\/([^/]+)(?:\/(.*))?$/,
  content: /^\/v3\/files\/content\/([^/]+)(?:\/(.*))?$/,
  permissions: /^\/v3\/files\/permissions\/([^/]+)(?:\/(.*))?$/,
  'utils/linux': /^\/v3\/files\/utils\/linux\/([^/]+)(?:\/(.*))?$/,
};
export type FileService = keyof typeof PATHS;

/** `/v3/files/<what>/<system>[/<path>]`: the remainder is decoded once, whatever slashes it holds (platform §5.1, §8.8). */
export const below = (what: FileService): RegExp => PATHS[what];

export function targetOf({ request }: Call, what: FileService): { systemId: string; path: string } {
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
