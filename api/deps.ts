import type { Logger } from 'pino';

import type { Hosts } from '../hosts/hosts.js';
import type { Store } from '../store/store.js';
import type { Config } from '../schemas/config.js';
import type { Engine } from './engine.js';
import type { Guesses } from './identity/guesses.js';
import type { Tokens } from './identity/tokens.js';

/** What handlers need of the world. */
export interface ApiDeps {
  config: Config;
  store: Store;
  hosts: Hosts;
  engine: Engine;
  tokens: Tokens;
  guesses: Guesses;
  log: Logger;
  /** How many lines of the log could not be written so far, for instance because the disk is full. */
  droppedLines: () => number;
  installation: string;
}

export interface Caller {
  tenant: string;
  user: string;
  isAdmin: boolean;
}
