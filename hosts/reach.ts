import { lookup, type LookupAddress } from 'node:dns';
import { promisify } from 'node:util';
import { BlockList, isIP, type LookupFunction } from 'node:net';

import { KilimError } from '../domain/errors.js';
import { isAllowed } from './fetch-url.js';

const resolve = promisify(lookup);

/** Which hosts systems may name, and for which of them the reason of a failed connection is told. */
export interface Reach {
  /** Host names, `*.domain`, addresses and CIDR blocks, or `*`; null: every host but link-local ones. */
  allowed: readonly string[] | null;
  /**
   * Whether the reason is told for hosts that are not in `allowed`, too. Otherwise it is told only for a host that has shown
   * the pinned host key.
   */
  isTold: boolean;
}

export const ANYWHERE: Reach = { allowed: null, isTold: true };

/** The addresses of a connection. It goes to no others, so that the name cannot lead elsewhere after they were checked. */
export interface Resolved {
  /** Empty where the name is not known. */
  addresses: LookupAddress[];
  isListed: boolean;
}

/**
 * The addresses of a host that may be connected to.
 * @throws KilimError HOST_LOGIN_REFUSED where none may be
 */
export async function addressesOf(host: string, where: string, { allowed }: Reach): Promise<Resolved> {
  const addresses = await resolve(host, { all: true }).catch((): LookupAddress[] => []);
  // a link-local address is no host for jobs: the metadata services of clouds have such addresses
  if (!addresses.every(({ address }) => isAllowed(address, true)))
    throw new KilimError('HOST_LOGIN_REFUSED', `${where} has an address that is not allowed.`);
  if (allowed === null) return { addresses, isListed: false };
  if (allowed.some((word) => matchesName(word, host.toLowerCase()))) return { addresses, isListed: true };
  const blocks = blocksOf(allowed);
  const inside = addresses.filter(({ address, family }) =>
    blocks.check(address, family === 6 ? 'ipv6' : 'ipv4'),
  );
  if (inside.length === 0)
    throw new KilimError(
      'HOST_LOGIN_REFUSED',
      `${where} is none of the hosts that systems of this service may name (KILIM_ALLOWED_HOSTS).`,
    );
  return { addresses: inside, isListed: true };
}

const matchesName = (word: string, host: string): boolean =>
  word === '*' ||
  (word.startsWith('*.') ? host.endsWith(word.slice(1).toLowerCase()) : word.toLowerCase() === host);

function blocksOf(words: readonly string[]): BlockList {
  const blocks = new BlockList();
  for (const word of words) {
    const [address = '', bits] = word.split('/');
    const version = isIP(address);
    if (version === 0) continue; // a name
    const family = version === 6 ? 'ipv6' : 'ipv4';
    if (bits === undefined) blocks.addAddress(address, family);
    else blocks.addSubnet(address, Number(bits), family);
  }
  return blocks;
}

/** A look-up for a socket that gives the addresses which were checked. */
export const lookupIn =
  (addresses: LookupAddress[]): LookupFunction =>
  (hostname, options, callback) => {
    const [first] = addresses;
    if (!first)
      return callback(
        Object.assign(new Error(`the name ${hostname} is not known`), { code: 'ENOTFOUND' }),
        '',
        0,
      );
    if (options.all) return callback(null, addresses);
    callback(null, first.address, first.family);
  };
