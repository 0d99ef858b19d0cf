import { execFile, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const CLI_VERSION = '1.5.1';
const DOWNLOAD_MS = 20_000;
const run = promisify(execFile);

const cacheDir = (): string =>
  join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'kilim', `temporal-cli-${CLI_VERSION}`);

/**
 * The path of Temporal's server binary, found in this order (design §2): `KILIM_TEMPORAL_CLI`, `temporal` on the PATH,
 * our cache, the SDK's own download, `go install`. A step that cannot work costs seconds.
 * @throws Error naming the ways out
 */
export async function provisionTemporal(say: (text: string) => void): Promise<string> {
  const given = process.env['KILIM_TEMPORAL_CLI'];
  if (given) {
    if (existsSync(given)) return given;
    throw new Error(`KILIM_TEMPORAL_CLI names ${given}, which is not there.`);
  }
  const onPath = spawnSync('bash', ['-c', 'command -v temporal'], { encoding: 'utf8' }).stdout.trim();
  if (onPath) return onPath;
  const cached = join(cacheDir(), 'temporal');
  if (existsSync(cached)) return cached;
  mkdirSync(cacheDir(), { recursive: true });
  return (await download(say)) ?? (await goInstall(cached, say)) ?? giveUp();
}

/** Through the Temporal SDK, as its users get it. */
async function download(say: (text: string) => void): Promise<string | null> {
  say(`Fetching Temporal's server (CLI ${CLI_VERSION}; gives up after ${DOWNLOAD_MS / 1000} s) …`);
  const script = `
    import { TestWorkflowEnvironment } from '@temporalio/testing';
    const env = await TestWorkflowEnvironment.createLocal({ server: { executable: { type: 'cached-download', version: 'v${CLI_VERSION}', downloadDir: process.argv[1] } } });
    await env.teardown();`;
  try {
    await run(process.execPath, ['--input-type=module', '-e', script, cacheDir()], {
      timeout: DOWNLOAD_MS,
      cwd: new URL('../..', import.meta.url).pathname,
    });
    const found = spawnSync('find', [cacheDir(), '-type', 'f', '-name', 'temporal*', '-perm', '-u+x'], {
      encoding: 'utf8',
    }).stdout.split('\n')[0];
    return found ? found : null;
  } catch {
    say('It cannot be fetched from here.');
    return null;
  }
}

async function goInstall(target: string, say: (text: string) => void): Promise<string | null> {
  if (spawnSync('go', ['version']).error) return null;
  say("Building Temporal's server with Go (once; three to six minutes) …");
  const bin = join(tmpdir(), `kilim-go-${process.pid}`);
  try {
    await run('go', ['install', `github.com/temporalio/cli/cmd/temporal@v${CLI_VERSION}`], {
      env: { ...process.env, GOBIN: bin },
      timeout: 1_200_000,
    });
    // a name of its own first: an interrupted build never leaves half a server
    await run('mv', [join(bin, 'temporal'), `${target}.new`]);
    renameSync(`${target}.new`, target);
    return target;
  } catch (error) {
    say(
      `go install failed: ${error instanceof Error ? error.message.split('\n').slice(0, 5).join(' ') : ''}`,
    );
    return null;
  } finally {
    rmSync(bin, { recursive: true, force: true });
  }
}

const giveUp = (): never => {
  throw new Error(
    "Temporal's server was not found. Ways out: install the Temporal CLI so that `temporal` is on the PATH; or name its binary in KILIM_TEMPORAL_CLI; " +
      'or install Go; or use a running server through TEMPORAL_ADDRESS.',
  );
};
