import type { Route } from '../route.js';
import { appRoutes } from './apps.js';
import { fileRoutes } from './files.js';
import { identityRoutes } from './identity.js';
import { jobExplainRoutes } from './job-explain.js';
import { jobOutputRoutes } from './job-outputs.js';
import { jobRoutes } from './jobs.js';
import { platformRoutes } from './platform.js';
import { systemRoutes } from './systems.js';

/** Every operation that is served; the first match wins, so literal paths stand before parameters. */
export const routes: readonly Route[] = [
  ...platformRoutes,
  ...identityRoutes,
  ...systemRoutes,
  ...appRoutes,
  ...fileRoutes,
  ...jobExplainRoutes,
  ...jobOutputRoutes,
  ...jobRoutes,
];
