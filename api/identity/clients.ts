import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';

import { KilimError } from '../../domain/errors.js';
import { now } from '../../store/now.js';
import type { Store } from '../../store/store.js';
import type { ApiDeps } from '../deps.js';

/** A registered client of the authenticator; its key is shown once. */
export interface Client {
  client_id: string;
  owner: string;
  tenant_id: string;
  callback_url: string | null;
  display_name: string | null;
  description: string | null;
  create_time: string;
}

type Kept = Client & { keyHash: string };

const hashOf = (key: string): string => createHash('sha256').update(key).digest('base64url');
const settingOf = (tenant: string, id: string): string => `client ${tenant} ${id}`;
const resourceOf = (id: string): string => `client:${id}`;

/** The record is a sealed setting; that it is active, and whose it is, a grant. */
export async function addClient(
  store: Store,
  client: Omit<Client, 'create_time'>,
  key = randomBytes(24).toString('base64url'),
): Promise<Client & { client_key: string }> {
  const kept: Kept = { ...client, create_time: now(), keyHash: hashOf(key) };
  const standing = JSON.parse(
    await store.settings.init(settingOf(client.tenant_id, client.client_id), JSON.stringify(kept)),
  ) as Kept;
  if (standing.keyHash !== kept.keyHash || standing.create_time !== kept.create_time) {
    throw new KilimError('INVALID_REQUEST', `client_id: "${client.client_id}" is taken`);
  }
  await store.grants.grant(
    client.tenant_id,
    resourceOf(client.client_id),
    client.owner,
    ['OWNER'],
    client.owner,
  );
  return { ...withoutHash(kept), client_key: key };
}

/** Also inactive ones. */
async function findKept(store: Store, tenant: string, id: string): Promise<Kept | null> {
  const text = await store.settings.get(settingOf(tenant, id));
  return text ? (JSON.parse(text) as Kept) : null;
}

export const isActive = async (store: Store, { tenant_id, client_id, owner }: Client): Promise<boolean> =>
  (await store.grants.levels(tenant_id, resourceOf(client_id), owner)).includes('OWNER');

export async function listClients(store: Store, tenant: string, owner: string): Promise<Client[]> {
  const mine = await store.grants.held(tenant, 'client:', owner, 'OWNER');
  const found = await Promise.all(
    [...mine].map((resource) => findKept(store, tenant, resource.slice('client:'.length))),
  );
  return found.flatMap((kept) => (kept ? [withoutHash(kept)] : []));
}

/** An active client. @throws KilimError NOT_FOUND, NOT_AUTHORIZED */
export async function getClient(
  store: Store,
  caller: { tenant: string; user: string; isAdmin: boolean },
  id: string,
): Promise<Client> {
  const kept = await findKept(store, caller.tenant, id);
  if (!kept || !(await isActive(store, kept)))
    throw new KilimError('NOT_FOUND', `The client ${id} was not found.`);
  if (kept.owner !== caller.user && !caller.isAdmin)
    throw new KilimError('NOT_AUTHORIZED', `${caller.user} does not own the client ${id}.`);
  return withoutHash(kept);
}

export const removeClient = (store: Store, { tenant_id, client_id, owner }: Client): Promise<void> =>
  store.grants.revoke(tenant_id, resourceOf(client_id), owner, ['OWNER']);

/** @throws KilimError BAD_CREDENTIALS, TOO_MANY_REQUESTS, NOT_AUTHENTICATED */
export async function checkClient(
  { store, guesses, config }: ApiDeps,
  { id, key, address }: { id: string; key: string; address: string },
): Promise<string> {
  const kept = await findKept(store, config.KILIM_TENANT, id);
  const isKnown = kept !== null && (await isActive(store, kept));
  const isEqual = timingSafeEqual(Buffer.from(hashOf(key)), Buffer.from(kept?.keyHash ?? hashOf('')));
  const isRight = await guesses.attempt({ kind: 'client', name: id, address, isKnown }, () =>
    Promise.resolve(isKnown && isEqual),
  );
  if (!isRight || !kept) throw new KilimError('BAD_CREDENTIALS', 'Invalid client credentials.');
  if ((await store.users.lockout(kept.tenant_id, kept.owner)).isDisabled)
    throw new KilimError('NOT_AUTHENTICATED', `The owner of the client ${id} is disabled.`);
  return kept.client_id;
}

const withoutHash = ({ keyHash, ...client }: Kept): Client => {
  void keyHash;
  return client;
};
