import { KilimError } from '../domain/errors.js';
import { textOf } from '../hosts/odd-bytes.js';
import type { Call } from './route.js';

/** For each service: where the URL holds the system and the path. */
const TARGETS = {
  ops: /^\/v3\/files\/ops\/([^/]+)(?:\/(.*))?$/,
  content: /^\/v3\/files\/content\/([^/]+)(?:\/(.*))?$/,
  permissions: /^\/v3\/files\/permissions\/([^/]+)(?:\/(.*))?$/,
  'utils/linux': /^\/v3\/files\/utils\/linux\/([^/]+)(?:\/(.*))?$/,
};
export type FileService = keyof typeof TARGETS;

/** The same without groups, for the router: it decodes each group, and refuses bytes that are not UTF-8. */
const ROUTES: Record<FileService, RegExp> = {
  ops: /^\/v3\/files\/ops\/[^/]+(?:\/.*)?$/,
  content: /^\/v3\/files\/content\/[^/]+(?:\/.*)?$/,
  permissions: /^\/v3\/files\/permissions\/[^/]+(?:\/.*)?$/,
  'utils/linux': /^\/v3\/files\/utils\/linux\/[^/]+(?:\/.*)?$/,
};

/** `/v3/files/<what>/<system>[/<path>]`: the remainder is decoded once, whatever slashes it holds (platform §5.1, §8.8). */
export const below = (what: FileService): RegExp => ROUTES[what];

export function targetOf({ request }: Call, what: FileService): { systemId: string; path: string } {
  const [pathname = ''] = (request.url ?? '').split('?');
  const [, systemId = '', rest = ''] = TARGETS[what].exec(pathname) ?? [];
  return { systemId: decoded(systemId), path: decoded(rest) };
}

/**
 * Decodes percent-encoded bytes, also those that are not UTF-8: `%FF` names a file with that byte in its name.
 * @throws KilimError INVALID_REQUEST
 */
export function decoded(text: string): string {
  if (/%(?![0-9a-fA-F]{2})/.test(text))
    throw new KilimError('INVALID_REQUEST', 'The path is not well encoded.');
  const bytes = Buffer.from(text).toString('latin1').replace(/%(..)/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16))); // prettier-ignore
  return textOf(Buffer.from(bytes, 'latin1'));
}
