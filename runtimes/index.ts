import type { RuntimeType } from '../domain/systems/system.js';
import { docker } from './docker.js';
import type { Runtime } from './runtime.js';
import { singularity } from './singularity.js';
import { zip } from './zip.js';

/** All runtimes. A new one is one file and one line here (and its row in `domain/jobs/keeper.ts`). */
export const runtimes: Readonly<Record<RuntimeType, Runtime>> = {
  DOCKER: docker,
  SINGULARITY: singularity,
  ZIP: zip,
};
