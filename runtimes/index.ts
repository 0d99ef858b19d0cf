import type { RuntimeType } from '../domain/systems/system.js';
import { docker } from './docker.js';
import type { Runtime } from './runtime.js';
import { zip } from './zip.js';

/** All runtimes that are served. A new one is one file and one line here (and its row in `domain/jobs/keeper.ts`). */
export const runtimes: Readonly<Partial<Record<RuntimeType, Runtime>>> = { DOCKER: docker, ZIP: zip };
