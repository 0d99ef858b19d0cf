import { createServer, type Server } from 'node:http';

import { createApp } from './app.js';
import type { ApiDeps } from './deps.js';

/** Node takes the limit on whole requests for one on headers, too, unless that is named. */
const LIMITS = { requestTimeout: 0, headersTimeout: 60_000, keepAliveTimeout: 65_000 };

/** The HTTP server of the API. Node limits the time of the headers; that of bodies is limited by `body-limit.ts`. */
export const serve = (deps: ApiDeps): Server => createServer(LIMITS, createApp(deps));
