import { lookup as resolve, type LookupAddress } from 'node:dns';
import { get as getHttp, type IncomingMessage } from 'node:http';
import { get as getHttps } from 'node:https';
import { BlockList, isIP, type LookupFunction } from 'node:net';

import { KilimError } from '../domain/errors.js';
import { shownUrl } from '../domain/files/shown-url.js';

const CONNECT_MS = 10_000;
/** Between two pieces of the answer. */
const SILENCE_MS = 60_000;
const MAX_REDIRECTS = 5;

/**
 * Faults that are told as they are: Kilim's own rules, and a web server's certificate. The others all read alike, because a
 * job could learn from them which ports are open and which programs listen there.
 */
const TOLD = /not allowed|CERT|SIGNATURE|ISSUER|ALTNAME/;

const never = new BlockList(); // metadata services of clouds live there
never.addSubnet('169.254.0.0', 16, 'ipv4');
never.addSubnet('0.0.0.0', 8, 'ipv4');
never.addSubnet('224.0.0.0', 3, 'ipv4');
never.addSubnet('fe80::', 10, 'ipv6');
never.addSubnet('ff00::', 8, 'ipv6');
never.addAddress('::', 'ipv6');
never.addAddress('fd00:ec2::254', 'ipv6');
never.addSubnet('64:ff9b::', 96, 'ipv6');

const inside = new BlockList();
inside.addSubnet('127.0.0.0', 8, 'ipv4');
inside.addSubnet('10.0.0.0', 8, 'ipv4');
inside.addSubnet('172.16.0.0', 12, 'ipv4');
inside.addSubnet('192.168.0.0', 16, 'ipv4');
inside.addSubnet('100.64.0.0', 10, 'ipv4');
inside.addAddress('::1', 'ipv6');
inside.addSubnet('fc00::', 7, 'ipv6');

/** Link-local ones never, private and loopback ones only where they are allowed. */
export const isAllowed = (address: string, allowPrivate: boolean): boolean => {
  const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
  return !never.check(address, family) && (allowPrivate || !inside.check(address, family));
};

/**
 * The body of an http(s) URL; redirects are followed, and the address that is really connected to is checked each time.
 * @throws KilimError TRANSFER_FAILED, PATH_NOT_FOUND (404, 410)
 */
export async function openUrl(
  url: string,
  allowPrivate: boolean,
  signal: AbortSignal,
  silenceMs = SILENCE_MS,
): Promise<IncomingMessage> {
  const named = shownUrl(url);
  if (!URL.canParse(url)) throw new KilimError('TRANSFER_FAILED', `${named} is no URL.`);
  let address = new URL(url);
  for (let hops = 0; hops <= MAX_REDIRECTS; hops++) {
    const reply = await request(address, allowPrivate, signal, silenceMs);
    const { statusCode = 0, headers } = reply;
    if (statusCode >= 200 && statusCode < 300) return reply;
    reply.destroy();
    if (statusCode === 404 || statusCode === 410)
      throw new KilimError('PATH_NOT_FOUND', `${named} was not found (HTTP ${statusCode}).`);
    if (statusCode < 300 || statusCode >= 400 || !headers.location)
      throw new KilimError('TRANSFER_FAILED', `${named} answered HTTP ${statusCode}.`);
    if (!URL.canParse(headers.location, address.href))
      throw new KilimError('TRANSFER_FAILED', `${named} redirects to nowhere.`);
    address = new URL(headers.location, address);
  }
  throw new KilimError('TRANSFER_FAILED', `${named} redirects more than ${MAX_REDIRECTS} times.`);
}

const request = (
  address: URL,
  allowPrivate: boolean,
  signal: AbortSignal,
  silenceMs: number,
): Promise<IncomingMessage> =>
  new Promise((settle, reject) => {
    const refuse = (why: string): void =>
      reject(new KilimError('TRANSFER_FAILED', `${shownUrl(address.href)} cannot be fetched: ${why}`));
    if (address.protocol !== 'http:' && address.protocol !== 'https:')
      return refuse(`${address.protocol} is not served`);
    const literal = address.hostname.replace(/^\[|\]$/g, '');
    if (isIP(literal) && !isAllowed(literal, allowPrivate)) return refuse('its address is not allowed');
    const get = address.protocol === 'https:' ? getHttps : getHttp;
    const sent = get(address, {
      lookup: lookupAllowed(allowPrivate),
      signal,
      agent: false,
      headers: { 'accept-encoding': 'identity', 'user-agent': 'kilim' },
    });
    const timer = setTimeout(() => sent.destroy(new Error('no answer in time')), CONNECT_MS);
    sent.on('socket', (socket) => socket.once('connect', () => clearTimeout(timer)));
    let body: IncomingMessage | undefined;
    sent.setTimeout(silenceMs);
    sent.on('timeout', () => {
      // what came and was not taken yet is our own silence, not the server's
      if (body?.readableLength) sent.socket?.setTimeout(silenceMs);
      else sent.destroy(new Error('nothing came for a minute'));
    });
    sent.on('error', (error: NodeJS.ErrnoException) => {
      clearTimeout(timer);
      refuse(
        TOLD.test(`${error.code ?? ''} ${error.message}`) ? error.message : 'no web server answers there',
      );
    });
    sent.on('response', (reply) => {
      clearTimeout(timer);
      body = reply;
      settle(reply);
    });
  });

/** The name is resolved once and the connection goes to what was checked, so that it cannot change in between. */
const lookupAllowed =
  (allowPrivate: boolean): LookupFunction =>
  (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, found: LookupAddress[]) => {
      const [first] = error ? [] : found.filter(({ address }) => isAllowed(address, allowPrivate));
      if (error) return callback(error, '', 0);
      if (!first) return callback(new Error('its address is not allowed'), '', 0);
      if (options.all) return callback(null, [first]);
      callback(null, first.address, first.family);
    });
  };
