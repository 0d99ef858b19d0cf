import type { StoredCredential, System } from './system.js';

/** Whether a credential was given for the address that its system has now. */
export const isGivenFor = (
  { givenFor }: StoredCredential,
  { host, port }: Pick<System, 'host' | 'port'>,
): boolean => givenFor.host === host && givenFor.port === port;

interface Place {
  systemId: string;
  host: string;
  port: number;
  loginUser: string;
}

/**
 * The reason why a stored credential may not be used at a place; null where it may. A credential counts only for the address
 * and the login that it was given for. It does not follow its system to another address, because every user that may move
 * a system would then receive the secrets of the other users.
 */
export function whyUnusable(credential: StoredCredential, userName: string, place: Place): string | null {
  const login = credential.loginUser ?? userName;
  if (isGivenFor(credential, place) && login === place.loginUser) return null;
  const was = addressOf({ ...credential.givenFor, loginUser: login });
  return `The credential of ${userName} for the system ${place.systemId} was given for ${was}, and is not used for ${addressOf(place)}. Give it again: POST /v3/systems/credential/${place.systemId}/user/${userName}.`;
}

const addressOf = ({ loginUser, host, port }: Omit<Place, 'systemId'>): string =>
  `${loginUser}@${host}:${port > 0 ? port : 22}`;
