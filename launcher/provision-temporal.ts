import { spawn, spawnSync } from 'node:child_process';
import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** CLI 1.5.1 carries server 1.29.1; newer ones cannot be built with `go install`. */
const CLI_VERSION = 'v1.5.1';
const GO_MODULE = `github.com/temporalio/cli/cmd/temporal@${CLI_VERSION}`;
/** A download that brings nothing for so long is given up. */
const SILENCE_MS = 10_000;
const BUILD_MS = 20 * 60_000;
const SMALLEST_BINARY_BYTES = 20_000_000;

type Say = (text: string) => void;

/**
 * The path of Temporal's server, found in this order: `KILIM_TEMPORAL_CLI`, `temporal` on the PATH, our cache, the
 * SDK's own download, `go install`. A step that cannot work costs seconds.
 * @throws Error naming the ways out
 */
export async function provisionTemporal(say: Say, cache = cacheDir()): Promise<string> {
  const given = process.env['KILIM_TEMPORAL_CLI'];
  if (given) {
    if (isProgram(given)) return given;
    throw new Error(`KILIM_TEMPORAL_CLI names ${given}, which is no program.`);
  }
  const cached = join(cache, 'temporal');
  const ready = onPath() ?? (isProgram(cached) ? cached : null);
  if (ready) return ready;
  mkdirSync(cache, { recursive: true });
  // a folder of our own, renamed from when complete: an interrupted step never leaves half a server
  const scratch = mkdtempSync(join(cache, 'new-'));
  try {
    const found = (await download(scratch, say)) ?? (await goInstall(scratch, say));
    if (!found) throw new Error(WAYS_OUT);
    chmodSync(found, 0o755);
    renameSync(found, cached);
    say(`Temporal's server is kept in ${cached}`);
    return cached;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

const WAYS_OUT =
  "Temporal's server was not found. Ways out: install the Temporal CLI so that `temporal` is on the PATH; or name its binary " +
  'in KILIM_TEMPORAL_CLI; or install Go, which builds it; or use a server that runs already, through TEMPORAL_ADDRESS.';

/** One folder per version, for all checkouts of this user. */
const cacheDir = (): string =>
  join(
    process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'),
    'kilim',
    `temporal-cli-${CLI_VERSION.slice(1)}`,
  );

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

const onPath = (): string | null =>
  (process.env['PATH'] ?? '')
    .split(':')
    .filter((dir) => dir.startsWith('/'))
    .map((dir) => join(dir, 'temporal'))
    .find(isProgram) ?? null;

/** As users of Temporal's SDK get it. */
async function download(scratch: string, say: Say): Promise<string | null> {
  say(
    `Fetching Temporal's server, CLI ${CLI_VERSION} (about 100 MB; given up when nothing comes for ${SILENCE_MS / 1000} s) …`,
  );
  const dir = join(scratch, 'download');
  mkdirSync(dir);
  let size = 0;
  let grewAt = performance.now();
  const isHanging = (): boolean => {
    const now = filesIn(dir).reduce((sum, file) => sum + statSync(file).size, 0);
    if (now !== size) [size, grewAt] = [now, performance.now()];
    return performance.now() - grewAt > SILENCE_MS;
  };
  const program = new URL('./download-temporal.js', import.meta.url).pathname;
  const end = await run(process.execPath, [program, CLI_VERSION, dir], { say, isHanging });
  const found = filesIn(dir).find((file) => isProgram(file) && statSync(file).size > SMALLEST_BINARY_BYTES);
  if (end.isDone && found) return found;
  say('It cannot be fetched from here.');
  return null;
}

const filesIn = (dir: string): string[] =>
  readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((file) => existsSync(file));

async function goInstall(scratch: string, say: Say): Promise<string | null> {
  if (spawnSync('go', ['version'], { stdio: 'ignore' }).status !== 0) {
    say('Go, which could build it, is not on this machine.');
    return null;
  }
  say(`Building Temporal's server with Go (once; three to six minutes, about 3.5 GB in Go's own caches) …`);
  const begin = performance.now();
  const end = await run('go', ['install', GO_MODULE], {
    say,
    isHanging: () => performance.now() - begin > BUILD_MS,
    env: { GOBIN: scratch, GOFLAGS: '' },
  });
  if (end.isDone) return join(scratch, 'temporal');
  say(`go install failed: ${end.said}`);
  return null;
}

interface RunOptions {
  say: Say;
  isHanging: () => boolean;
  env?: Record<string, string>;
}

/** Runs a slow program; says now and then that it still does, ends it when it hangs. */
function run(
  command: string,
  args: string[],
  { say, isHanging, env = {} }: RunOptions,
): Promise<{ isDone: boolean; said: string }> {
  return new Promise((resolve) => {
    const begin = performance.now();
    const child = spawn(command, args, {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-2_000)));
    const look = setInterval(() => void (isHanging() && child.kill('SIGKILL')), 500);
    const pulse = setInterval(
      () => say(`… still at it (${Math.round((performance.now() - begin) / 1000)} s)`),
      30_000,
    );
    const end = (isDone: boolean): void => {
      clearInterval(look);
      clearInterval(pulse);
      resolve({ isDone, said: said.trim().split('\n').slice(-3).join(' ') });
    };
    child.on('error', () => end(false));
    child.on('exit', (code) => end(code === 0));
  });
}
