import { createServer, type Server } from 'node:http';

import { createApp } from './app.js';
import type { ApiDeps } from './deps.js';

/** Without `headersTimeout` Node would use `requestTimeout`, which is off, for the headers as well. */
const LIMITS = { requestTimeout: 0, headersTimeout: 60_000, keepAliveTimeout: 65_000 };

/** The HTTP server of the API. Node limits the time for the headers, and `body-limit.ts` the time for the bodies. */
export const serve = (deps: ApiDeps): Server => createServer(LIMITS, createApp(deps));
