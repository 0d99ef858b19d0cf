export interface User {
  tenant: string;
  username: string;
  passwordHash: string;
  isAdmin: boolean;
}

/** What ends the log-ins of a user name; a user of a trusted issuer has it without a row of the store. */
export interface Lockout {
  isDisabled: boolean;
  /** How often all tokens of the user were ended: our tokens carry the generation that they were issued in. */
  generation: number;
  /** When an operator last ended them: what another issuer signed before does not count. */
  revokedAt: string | null;
}

export interface UserStore {
  /** False, and nothing changed, where the name is taken. */
  add: (user: User) => Promise<boolean>;
  /** Adds or replaces; another password hash than before ends all tokens of the user. */
  put: (user: User) => Promise<void>;
  find: (tenant: string, username: string) => Promise<User | null>;
  isAdmin: (tenant: string, username: string) => Promise<boolean>;
  list: (tenant: string) => Promise<User[]>;
  lockout: (tenant: string, username: string) => Promise<Lockout>;
  /** All that decides about a token of the user, in one question. */
  standing: (
    tenant: string,
    username: string,
    token: { jti: string; clientId: string | null },
  ) => Promise<Lockout & { isAdmin: boolean; isRevoked: boolean; isClientDisabled: boolean }>;
  /** Every token of the user that was issued before stops to count. */
  endSessions: (tenant: string, username: string) => Promise<void>;
  /** The same, and the name gets no other until it is enabled; it needs no row among the users. */
  disable: (tenant: string, username: string) => Promise<void>;
  enable: (tenant: string, username: string) => Promise<void>;
  /** True where the token counted until now: of two that use it up at once, one is told so. */
  revokeToken: (jti: string, expires: string) => Promise<boolean>;
}

/** Small facts of the installation: its id, signing keys (sealed), the default tenant. */
export interface SettingStore {
  get: (name: string) => Promise<string | null>;
  /** Sets only where absent, sealed, and returns what stands now: two programs that start at once agree. */
  init: (name: string, value: string) => Promise<string>;
  /** Replaces a value by what `to` makes of it; nobody else changes it meanwhile. Returns the new one. */
  change: (name: string, to: (value: string | null) => string) => Promise<string>;
  /** A short text that is another one after each change of the value; null where there is none. */
  stamp: (name: string) => Promise<string | null>;
}
