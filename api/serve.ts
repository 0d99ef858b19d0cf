import { createServer, type Server } from 'node:http';

import { createApp } from './app.js';
import type { ApiDeps } from './deps.js';

/** The HTTP server of the API. Node limits the time of the headers; that of bodies is limited by `body-limit.ts`. */
export const serve = (deps: ApiDeps): Server =>
  createServer({ requestTimeout: 0, keepAliveTimeout: 65_000 }, createApp(deps));
