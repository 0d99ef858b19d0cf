export interface User {
  tenant: string;
  username: string;
  passwordHash: string;
  isAdmin: boolean;
}

/**
 * What makes the tokens of a user name invalid. It also exists for users of a trusted issuer, which have no row among
 * the users.
 */
export interface Lockout {
  isDisabled: boolean;
  /**
   * How often all tokens of the user were ended. The tokens of this service carry the generation that they were issued
   * in.
   */
  generation: number;
  /** When an operator last ended all tokens. A token of another issuer that was signed earlier is refused. */
  revokedAt: string | null;
}

export interface UserStore {
  /** Adds a user. Returns false, and changes nothing, where the name is taken. */
  add: (user: User) => Promise<boolean>;
  /** Adds or replaces; another password hash than before ends all tokens of the user. */
  put: (user: User) => Promise<void>;
  find: (tenant: string, username: string) => Promise<User | null>;
  isAdmin: (tenant: string, username: string) => Promise<boolean>;
  list: (tenant: string) => Promise<User[]>;
  lockout: (tenant: string, username: string) => Promise<Lockout>;
  /** All facts that decide whether a token of the user is valid, read by one query. */
  standing: (
    tenant: string,
    username: string,
    token: { jti: string; clientId: string | null },
  ) => Promise<Lockout & { isAdmin: boolean; isRevoked: boolean; isClientDisabled: boolean }>;
  /** Makes every token of the user that was issued before invalid. */
  endSessions: (tenant: string, username: string) => Promise<void>;
  /**
   * Ends all tokens as `endSessions` does, and refuses new ones until the name is enabled. The name needs no row among
   * the users.
   */
  disable: (tenant: string, username: string) => Promise<void>;
  enable: (tenant: string, username: string) => Promise<void>;
  /** Revokes a token. Returns true where it was valid until now; of several calls at once, one gets true. */
  revokeToken: (jti: string, expires: string) => Promise<boolean>;
}

/** Small facts of the installation: its id, signing keys (sealed), the default tenant. */
export interface SettingStore {
  get: (name: string) => Promise<string | null>;
  /** Sets only where absent, sealed, and returns what stands now: two programs that start at once agree. */
  init: (name: string, value: string) => Promise<string>;
  /** Replaces a value by what `to` makes of it, under a lock, so that no other change is lost. Returns the new value. */
  change: (name: string, to: (value: string | null) => string) => Promise<string>;
  /** A short text that differs after each change of the value; null where there is no value. */
  stamp: (name: string) => Promise<string | null>;
}
