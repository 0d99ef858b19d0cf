import { readFileSync } from 'node:fs';

import { KilimError } from '../domain/errors.js';
import { isGivenFor } from '../domain/systems/credential-place.js';
import { isDynamic, type System } from '../domain/systems/system.js';
import { isLoopback } from '../schemas/config.js';
import { Seed } from '../schemas/identity.js';
import { parseBody } from '../schemas/parse.js';
import { Credential, SystemDefinition } from '../schemas/system.js';
import { writeAudit } from './audit.js';
import type { ApiDeps } from './deps.js';
import { hashPassword, whyWeak } from './identity/passwords.js';
import { registerApp } from './register-app.js';
import { registerProfile } from './routes/scheduler-profiles.js';
import { registerSystem, setCredential } from './register-system.js';

/** Applies a seed file (design §2): what is there already is left as it is. */
export async function applySeed(file: string, deps: ApiDeps): Promise<void> {
  const { store, config, log } = deps;
  const seed = readSeed(file, config.KILIM_HOME);
  const { tenant } = seed;
  if (tenant !== config.KILIM_TENANT)
    throw new KilimError('INVALID_REQUEST', `${file}: the tenant ${tenant} is not ${config.KILIM_TENANT}`);
  const note = (resource: string): void =>
    writeAudit(deps.log, {
      tenant,
      user: null,
      operation: 'seed',
      resource,
      from: 'this machine',
      outcome: 'ok',
    });
  for (const { username, password, admin } of seed.users) {
    const weak = isLoopback(config.KILIM_HOST) ? null : whyWeak(password, username);
    if (weak)
      throw new KilimError(
        'INVALID_REQUEST',
        `${file}: the password of ${username} is weak; beyond loopback (KILIM_HOST is ${config.KILIM_HOST}) ${weak}`,
      );
    if (await store.users.find(tenant, username)) continue;
    const passwordHash = await hashPassword(password);
    // another program may have added the user in the meantime, and an operator may have changed the password since
    if (await store.users.add({ tenant, username, passwordHash, isAdmin: admin ?? false }))
      note(`user ${username}`);
  }
  const as = (user: string) => ({ tenant, user, isAdmin: true });
  const unlessThere = async (resource: string, work: () => Promise<unknown>): Promise<void> => {
    try {
      await work();
      note(resource);
    } catch (error) {
      if (!(error instanceof KilimError && error.code === 'CONFLICT')) throw error;
    }
  };
  for (const body of seed.profiles)
    await unlessThere(`profile ${body.name}`, () => registerProfile(body, as(body.owner), deps));
  for (const body of seed.systems)
    await unlessThere(`system ${body.id}`, () => registerSystem(body, as(body.owner), deps, true));
  for (const { systemId, userName, privateKeyFile, ...secret } of seed.credentials) {
    const system = await store.systems.find(tenant, systemId);
    if (!system)
      throw new KilimError(
        'INVALID_REQUEST',
        `${file}: the credential of ${userName} names the system ${systemId}, which is not there`,
      );
    const stored = await store.systems.getCredential(
      tenant,
      systemId,
      isDynamic(system) ? 'dynamic' : 'static',
      userName,
    );
    if (stored && isGivenFor(stored, system)) continue;
    if (!meansItsAddress(seed, system, stored !== null)) {
      log.warn(
        { systemId, userName },
        'the credential of the seed is not for where the system is now; give it again by the API',
      );
      continue;
    }
    const key = privateKeyFile ? { privateKey: readFileSync(privateKeyFile, 'utf8') } : {};
    await setCredential(deps, system, userName, parseBody(Credential, { ...secret, ...key }), true);
    note(`credential of ${userName} on ${systemId}`);
  }
  for (const body of seed.apps)
    await unlessThere(`application ${body.id}`, () => registerApp(body, as(body.owner), deps));
}

/**
 * Are the credentials of the seed meant for the present address of the system, which may have been moved since? If the seed does
 * not define the system, they are meant for the address at which they are first applied; once they were stored, they are not
 * applied again to another address at a later start.
 */
function meansItsAddress({ systems }: Seed, system: System, wasGiven: boolean): boolean {
  const definition = systems.find(({ id }) => id === system.id);
  if (!definition) return !wasGiven;
  const { host, port } = parseBody(SystemDefinition, definition);
  return host === system.host && port === system.port;
}

function readSeed(file: string, home: string): Seed {
  try {
    return parseBody(Seed, JSON.parse(readFileSync(file, 'utf8').replaceAll('${KILIM_HOME}', home)));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    // the parser quotes what is around the fault, and there may stand a password
    const at = / at position \d+| \(line \d+ column \d+\)/g;
    throw new KilimError(
      'INVALID_REQUEST',
      `${file}: ${error instanceof SyntaxError ? ['is no JSON', ...(why.match(at) ?? [])].join('') : why}`,
    );
  }
}
