import { spawn } from 'node:child_process';
import { closeSync, existsSync, openSync } from 'node:fs';
import { createConnection } from 'node:net';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { packExample } from './example-app.js';
import { faultOfLocalRuns, localUser, openHome, type Home } from './home.js';
import { isLoopback } from '../schemas/config.js';
import { engineProgram, nodeProgram } from './programs.js';
import { provisionTemporal } from './provision-temporal.js';
import { lastWord, supervise, type Program, type Supervised } from './supervise.js';

export interface UpOptions {
  home?: string | undefined;
  port?: number | undefined;
  seeds: string[];
  /** Wins over the environment of the API and the worker; undefined takes a variable away. */
  env?: Record<string, string | undefined>;
  say: (text: string) => void;
}

export interface Up {
  url: string;
  /** Temporal's own page; null where a foreign server is used. */
  uiUrl: string | null;
  home: Home;
  stop: () => Promise<void>;
}

const READY_MS = 60_000;
const DRAIN_MS = 15_000;
const ENGINE_END_MS = 10_000;

/** Everything embedded: Temporal, API and worker as supervised children. Resolves when a job can be submitted. */
export async function up({ home: wanted, port, seeds, env = {}, say }: UpOptions): Promise<Up> {
  const seedFiles = seeds.map((file) => resolve(file));
  for (const file of seedFiles)
    if (!existsSync(file)) throw new Error(`The seed file ${file} does not exist.`);
  const home = await openHome(wanted, port, { ...process.env, ...env });
  warn(home, say);
  const running: Supervised[] = [];
  const stop = stopOnce(running, home);
  try {
    packExample(home.dir);
    const given = process.env['TEMPORAL_ADDRESS'];
    const address = given ?? `127.0.0.1:${home.temporalPort}`;
    const url = `http://${reachable(env['KILIM_HOST'] ?? process.env['KILIM_HOST'])}:${home.apiPort}`;
    const begin = async (program: Program, isReady: () => Promise<boolean>): Promise<void> => {
      const child = supervise(program, { say, onStart: home.lock.addChild });
      running.push(child);
      await Promise.race([
        until(
          isReady,
          `${program.name} did not answer within ${READY_MS / 1000} s; its log: ${program.logFile}`,
        ),
        child.failsToStart,
      ]);
    };
    const ui = `http://127.0.0.1:${home.uiPort}`;
    const engine = given ? null : watched(engineProgram(home, await provisionTemporal(say)), ui);
    const settings = { ...env, TEMPORAL_ADDRESS: address };
    // the embedded engine gets its search attributes on its command line
    if (given) await toItsEnd(nodeProgram(home, 'migrate', ['migrate'], settings));
    const seedWords = seedFiles.flatMap((file) => ['--seed', file]);
    const api = watched(nodeProgram(home, 'api', ['--migrate', ...seedWords], settings), `${url}/v3/healthz`);
    await Promise.all([engine && begin(engine, () => listens(address)), begin(api, api.answers)]);
    // the API has settled the schema and the keys
    const plain = nodeProgram(home, 'worker', [], settings);
    const worker = watched(plain, `http://${metricsAddress(plain)}/healthz`);
    await begin(worker, worker.answers);
    await until(() => answers(`${url}/v3/ready`), `The API is not ready; its log: ${api.logFile}`);
    return { url, uiUrl: given ? null : ui, home, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The same program, with a question to this address that tells whether it serves. */
const watched = (program: Program, url: string): Program & { answers: () => Promise<boolean> } => ({
  ...program,
  answers: () => answers(url),
});

/** Where this machine reaches what listens there. */
const reachable = (host = '127.0.0.1'): string =>
  host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host.includes(':') ? `[${host}]` : host;

const metricsAddress = ({ env }: Program): string =>
  `${reachable(env['KILIM_METRICS_HOST'])}:${env['KILIM_METRICS_PORT'] ?? ''}`;

/** @throws Error with the program's last words */
async function toItsEnd({ name, command, args, env, logFile }: Program): Promise<void> {
  const log = openSync(logFile, 'a', 0o600);
  const child = spawn(command, args, { env, stdio: ['ignore', log, log] });
  closeSync(log);
  const code = await new Promise((resolve) => child.once('exit', resolve).once('error', resolve));
  if (code !== 0) throw new Error(`${name}: ${lastWord(logFile)}`);
}

function warn(home: Home, say: UpOptions['say']): void {
  if (!process.env['TEMPORAL_ADDRESS'])
    say(
      `Warning: the embedded Temporal server has no log-in. Every account of this machine that reaches 127.0.0.1:${home.temporalPort}, ` +
        `also the one that runs jobs, can read, start and end workflows. Where others use this machine, run a server of your own and ` +
        `name it by TEMPORAL_ADDRESS.`,
    );
  const wanted = process.env['KILIM_LOCAL_EXECUTION'];
  if (!wanted && !isLoopback(process.env['KILIM_HOST']))
    say(
      'Systems on "localhost" are off, because the API listens beyond loopback; KILIM_LOCAL_EXECUTION=true allows them.',
    );
  if (wanted === 'false' || (!wanted && !isLoopback(process.env['KILIM_HOST']))) return;
  const account = process.getuid?.() === 0 ? `as the account ${localUser()}` : 'under your account';
  say(
    `Warning: jobs for systems on "localhost" run on this machine, ${account}. KILIM_LOCAL_EXECUTION=false forbids that.`,
  );
  const fault = faultOfLocalRuns(home.dir);
  if (fault) say(`Warning: ${fault}`);
}

/** The API and the worker first: they end cleanly while Temporal still answers. */
function stopOnce(running: Supervised[], home: Home): () => Promise<void> {
  let ending: Promise<void> | undefined;
  const end = async (): Promise<void> => {
    const [engines, programs] = [
      running.filter(({ name }) => name === 'temporal'),
      running.filter(({ name }) => name !== 'temporal'),
    ];
    await Promise.all(programs.map((program) => program.stop(DRAIN_MS)));
    await Promise.all(engines.map((program) => program.stop(ENGINE_END_MS)));
    home.lock.release();
  };
  return () => (ending ??= end());
}

async function until(isSo: () => Promise<boolean>, complaint: string): Promise<void> {
  for (const deadline = performance.now() + READY_MS; performance.now() < deadline; await sleep(25))
    if (await isSo()) return;
  throw new Error(complaint);
}

const answers = (url: string): Promise<boolean> =>
  fetch(url, { signal: AbortSignal.timeout(5_000) }).then(
    ({ ok }) => ok,
    () => false,
  );

function listens(address: string): Promise<boolean> {
  const at = address.lastIndexOf(':');
  return new Promise((resolve) => {
    const socket = createConnection({ host: address.slice(0, at), port: Number(address.slice(at + 1)) });
    const end = (isOpen: boolean): void => {
      socket.destroy();
      resolve(isOpen);
    };
    socket.once('connect', () => end(true));
    socket.once('error', () => end(false));
  });
}
