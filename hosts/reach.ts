import { lookup, type LookupAddress } from 'node:dns';
import { promisify } from 'node:util';
import { BlockList, isIP, type LookupFunction } from 'node:net';

import { KilimError } from '../domain/errors.js';
import { isAllowed } from './fetch-url.js';

const resolve = promisify(lookup);

/** Which hosts systems may name, and whose failed connections are told. */
export interface Reach {
  /** Host names, `*.domain`, addresses and CIDR blocks, or `*`; null: every host but link-local ones. */
  allowed: readonly string[] | null;
  /** Whether the hosts that are not listed say why a connection failed, also where nothing proves that they are the right ones. */
  isTold: boolean;
}

export const ANYWHERE: Reach = { allowed: null, isTold: true };

/** Where a connection goes: to these addresses and no others, so that a name cannot lead elsewhere in between. */
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
  // nobody has an account at a link-local address: metadata services of clouds live there
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

/** For a socket: the addresses that were looked at. */
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
