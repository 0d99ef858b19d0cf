// Makes a fresh checkout ready: packages, build, Temporal's server. No dependencies; says what it does; skips what is there.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

export const root = fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, '');
const say = (text) => process.stderr.write(`[kilim] ${text}\n`);

const SOURCES = ['domain', 'schemas', 'runtimes', 'schedulers', 'hosts', 'store', 'activities', 'workflows', 'api', 'worker', 'cli', 'launcher', 'scripts/build.mjs', 'package-lock.json'];

const newest = (path) =>
  !existsSync(path) ? 0 : statSync(path).isDirectory() ? Math.max(0, ...readdirSync(path).map((name) => newest(join(path, name)))) : statSync(path).mtimeMs;

function checkTools() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  const missing = [];
  if (major < 20 || (major === 20 && minor < 20)) missing.push(`Node 20.20 or newer (this is ${process.versions.node})`);
  for (const tool of ['git', 'python3', 'npm', 'bash']) if (spawnSync(tool, ['--version']).error) missing.push(tool);
  if (missing.length > 0) {
    say(`These are needed and missing: ${missing.join(', ')}.`);
    process.exit(1);
  }
}

const run = (command, args) => execFileSync(command, args, { cwd: root, stdio: ['ignore', 2, 2] });

/** Everything up to a program that can be started; with `withEngine` also Temporal's server. */
export async function prepare({ withEngine = true } = {}) {
  checkTools();
  const prefix = dirname(dirname(process.execPath));
  // native packages compile against Node's own headers where Node's download site cannot be reached
  if (existsSync(join(prefix, 'include', 'node'))) process.env.npm_config_nodedir ??= prefix;
  if (!existsSync(join(root, 'node_modules', '.package-lock.json'))) {
    say('Installing packages (npm ci; one to three minutes) …');
    run('npm', ['ci', '--no-audit', '--no-fund']);
  }
  const stamp = join(root, 'dist', '.built');
  if (!existsSync(stamp) || Math.max(...SOURCES.map((path) => newest(join(root, path)))) > statSync(stamp).mtimeMs) {
    say('Building (half a minute) …');
    run(process.execPath, [join(root, 'scripts', 'build.mjs')]);
  }
  if (withEngine) {
    const { provisionTemporal } = await import(pathToFileURL(join(root, 'dist', 'launcher', 'provision-temporal.js')).href);
    if (!process.env.TEMPORAL_ADDRESS) process.env.KILIM_TEMPORAL_CLI = await provisionTemporal(say);
  }
}
