// Makes a checkout ready: packages, build, Temporal's server. Without dependencies; says what it does; skips what is there.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

import '../bin/node-version.js';
import { runStep, say } from './run.mjs';

export const root = fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, '');

const TOOLS = ['git', 'python3', 'npm', 'bash'];
export const ROOMS = [
  ...['domain', 'ops', 'schemas', 'runtimes', 'schedulers', 'hosts', 'store', 'activities', 'workflows'],
  ...['api', 'worker', 'launcher', 'cli', 'bench'],
];
const SOURCES = [
  ...ROOMS,
  ...['scripts/build.mjs', 'package-lock.json', 'tsconfig.json', 'tsconfig.build.json'],
];

/** Everything up to a program that can be started; with `withEngine` also Temporal's server. */
export async function prepare({ withEngine = true } = {}) {
  refuseWithoutTools();
  useOwnHeaders();
  if (!hasPackages()) await installPackages();
  if (isStale()) {
    const isBuilt = await runStep(
      'Building (about half a minute)',
      process.execPath,
      [join(root, 'scripts', 'build.mjs')],
      { cwd: root },
    );
    if (!isBuilt) giveUp('The build failed; its messages are above.');
  }
  if (withEngine && !process.env.TEMPORAL_ADDRESS) await findEngine();
}

function refuseWithoutTools() {
  const missing = TOOLS.filter((tool) => spawnSync(tool, ['--version'], { stdio: 'ignore' }).status !== 0);
  if (missing.length > 0)
    giveUp(`Needed and missing: ${missing.join(', ')}. Install that, then try again; nothing was changed.`);
}

/** Native packages compile against Node's own headers, where those are there: Node's download site may be out of reach. */
function useOwnHeaders() {
  const prefix = dirname(dirname(process.execPath));
  if (existsSync(join(prefix, 'include', 'node', 'node.h'))) process.env.npm_config_nodedir ??= prefix;
}

const stampFile = join(root, 'node_modules', '.kilim-installed');
/** Native packages fit one version of Node's interface; the lock file says the rest. */
const stampText = () => {
  const lock = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
  return `${process.versions.modules} ${process.arch} ${lock}\n`;
};

function hasPackages() {
  if (existsSync(stampFile)) return readFileSync(stampFile, 'utf8') === stampText();
  // somebody ran npm by hand
  const lock = join(root, 'node_modules', '.package-lock.json');
  const isNewer =
    existsSync(lock) && statSync(lock).mtimeMs >= statSync(join(root, 'package-lock.json')).mtimeMs;
  if (isNewer) writeFileSync(stampFile, stampText());
  return isNewer;
}

/** As store/sqlite.ts chooses. */
const LOAD_SQLITE = `
  const older = () => require('better-sqlite3');
  const newer = () => { try { return require('better-sqlite3-node-api'); } catch { return older(); } };
  new (Number(process.versions.napi) >= 10 ? newer() : older())(':memory:').close();
`;

async function installPackages() {
  const args = ['ci', '--no-audit', '--no-fund', '--loglevel=error'];
  if (
    !(await runStep('Installing packages with npm ci (one to three minutes)', 'npm', args, { cwd: root }))
  ) {
    giveUp(
      'npm ci failed. It needs the npm registry; where a prebuilt SQLite cannot be fetched also make and a C++ compiler (g++).',
    );
  }
  const loads = spawnSync(process.execPath, ['-e', LOAD_SQLITE], { cwd: root, encoding: 'utf8' });
  if (loads.status !== 0)
    giveUp(`better-sqlite3 was installed but does not load: ${loads.stderr.trim().split('\n').pop()}`);
  writeFileSync(stampFile, stampText());
}

function isStale() {
  const stamp = join(root, 'dist', '.built');
  if (!existsSync(stamp)) return true;
  const built = Number(readFileSync(stamp, 'utf8')) || statSync(stamp).mtimeMs;
  return SOURCES.some((source) => newest(join(root, source)) > built);
}

/** A folder counts too: a removed file changes its folder's time. */
function newest(path) {
  const stat = statSync(path);
  return stat.isDirectory()
    ? Math.max(stat.mtimeMs, ...readdirSync(path).map((name) => newest(join(path, name))))
    : stat.mtimeMs;
}

async function findEngine() {
  const { provisionTemporal } = await import(
    pathToFileURL(join(root, 'dist', 'launcher', 'provision-temporal.js')).href
  );
  try {
    process.env.KILIM_TEMPORAL_CLI = await provisionTemporal(say);
  } catch (error) {
    giveUp(error.message);
  }
}

function giveUp(message) {
  say(message);
  process.exit(1);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await prepare();
