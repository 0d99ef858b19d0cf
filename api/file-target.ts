import { KilimError } from '../domain/errors.js';
import { textOf } from '../hosts/odd-bytes.js';
import type { Call } from './route.js';

const TARGET = (what: string): RegExp => new RegExp(`^/v3/files/${what}/([^/]+)(?:/(.*))?$`);

/** For the router, which would decode what a group holds, and refuse bytes that are not UTF-8. */
export const asRoute = ({ source }: RegExp): RegExp => new RegExp(source.replace(/\((?!\?)/g, '(?:'));

/** `/v3/files/<what>/<system>[/<path>]`: the remainder is decoded once, whatever slashes it holds (platform §5.1, §8.8). */
export const below = (what: string): RegExp => asRoute(TARGET(what));

export function targetOf({ request }: Call, what: string): { systemId: string; path: string } {
  const [pathname = ''] = (request.url ?? '').split('?');
  const [, systemId = '', rest = ''] = TARGET(what).exec(pathname) ?? [];
  return { systemId: decoded(systemId), path: decoded(rest) };
}

/**
 * Decodes what is percent-encoded, to any bytes: `%FF` leads to a file whose name has that byte.
 * @throws KilimError INVALID_REQUEST
 */
export function decoded(text: string): string {
  if (/%(?![0-9a-fA-F]{2})/.test(text))
    throw new KilimError('INVALID_REQUEST', 'The path is not well encoded.');
  const bytes = Buffer.from(text).toString('latin1').replace(/%(..)/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16))); // prettier-ignore
  return textOf(Buffer.from(bytes, 'latin1'));
}
