// Builds dist/: the programs with tsc, then the workflows as one bundle. A build that fails leaves the old one.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { bundleWorkflowCode } from '@temporalio/worker';

const MAX_BUNDLE_BYTES = 2_000_000;

const root = fileURLToPath(new URL('..', import.meta.url));
const begun = Date.now(); // a source saved while this runs is newer than this build
const made = join(root, '.kilim', `build-${process.pid}`);
const dist = join(root, 'dist');

/** The sandbox's code, small enough for thousands of cached workflows. */
async function bundleWorkflows() {
  const { code } = await bundleWorkflowCode({
    workflowsPath: join(made, 'workflows', 'index.js'),
    logger: { trace() {}, debug() {}, info() {}, warn: console.error, error: console.error, log() {} },
  });
  // zod in the bundle multiplies the memory of every cached workflow by five
  if (code.includes('ZodObject'))
    throw new Error(
      'zod got into the workflow bundle: something under workflows/ imports schemas/ as values',
    );
  const size = Buffer.byteLength(code.replace(/\n\/\/# sourceMappingURL=.*$/, ''));
  if (size > MAX_BUNDLE_BYTES)
    throw new Error(`the workflow bundle has ${size} bytes; at most ${MAX_BUNDLE_BYTES}`);
  writeFileSync(join(made, 'workflow-bundle.js'), code);
}

/** What every answer of the API says of itself; an archive of the sources has no revision. */
function buildInfo() {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const { status, stdout } = spawnSync('git', ['rev-parse', '--short', 'HEAD'], {
    cwd: root,
    encoding: 'utf8',
  });
  const commit = status === 0 ? stdout.trim() : 'unknown';
  return { version, commit, build: new Date(begun).toISOString() };
}

/** In one step for whoever starts meanwhile. */
function swap() {
  const old = join(root, '.kilim', `old-${process.pid}`);
  if (existsSync(dist)) renameSync(dist, old);
  renameSync(made, dist);
  rmSync(old, { recursive: true, force: true });
}

try {
  mkdirSync(made, { recursive: true });
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const { status } = spawnSync(
    process.execPath,
    [tsc, '-p', join(root, 'tsconfig.build.json'), '--outDir', made],
    { stdio: 'inherit' },
  );
  if (status !== 0) throw new Error('tsc found faults');
  await bundleWorkflows();
  writeFileSync(join(made, 'build.json'), JSON.stringify(buildInfo()));
  writeFileSync(join(made, '.built'), `${begun}\n`);
  swap();
} catch (error) {
  console.error(`build: ${error.message}`);
  process.exitCode = 1;
} finally {
  rmSync(made, { recursive: true, force: true });
}
