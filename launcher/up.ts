import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createConnection } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

import { openHome, type Home } from './home.js';
import { engineProgram, nodeProgram } from './programs.js';
import { provisionTemporal } from './provision-temporal.js';
import { supervise, type Supervised } from './supervise.js';

export interface UpOptions {
  home?: string | undefined;
  port?: number | undefined;
  seeds: string[];
  say: (text: string) => void;
}

export interface Up {
  url: string;
  uiUrl: string | null;
  home: Home;
  stop: () => Promise<void>;
}

const READY_MS = 60_000;

/** Everything embedded: Temporal, worker and API as supervised children. Resolves when a job can be submitted. */
export async function up({ home: wanted, port, seeds, say }: UpOptions): Promise<Up> {
  const home = await openHome(wanted, port);
  say(
    `Home: ${home.dir}. Jobs for systems on "localhost" run on this machine${process.getuid?.() === 0 ? ` as ${process.env['KILIM_LOCAL_USER'] ?? 'nobody'}` : ' under your account'}.`,
  );
  const running: Supervised[] = [];
  const stop = async (): Promise<void> => {
    // the API and the worker first: they end cleanly while Temporal still answers
    await Promise.all(running.slice(1).map((program) => program.stop(15_000)));
    await running[0]?.stop(10_000);
    home.release();
  };
  try {
    packExample(home);
    const given = process.env['TEMPORAL_ADDRESS'];
    const address = given ?? `127.0.0.1:${home.temporalPort}`;
    if (!given) running.push(supervise(engineProgram(home, await provisionTemporal(say)), say));
    // the API settles the schema and the keys; the worker follows once it listens
    running.push(
      supervise(
        nodeProgram(
          home,
          'api',
          seeds.flatMap((file) => ['--seed', file]),
          address,
        ),
        say,
      ),
    );
    const url = `http://127.0.0.1:${home.apiPort}`;
    await answering(address);
    await until(`${url}/v3/healthz`, join(home.dir, 'api.log'));
    running.push(supervise(nodeProgram(home, 'worker', [], address), say));
    await until(`${url}/v3/ready`, join(home.dir, 'api.log'));
    return { url, uiUrl: given ? null : `http://127.0.0.1:${home.uiPort}`, home, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The example application is packed into the home, so that `examples/seed.json` works anywhere. */
function packExample(home: Home): void {
  const target = join(home.dir, 'apps', 'img-classify.zip');
  if (existsSync(target)) return;
  mkdirSync(join(home.dir, 'apps'), { recursive: true, mode: 0o755 });
  const data = join(home.dir, 'data');
  mkdirSync(data, { recursive: true });
  chmodSync(data, 0o1777); // jobs of this machine run as another account when Kilim is root
  const packed = spawnSync('python3', [new URL('../../examples/pack.py', import.meta.url).pathname, target], {
    encoding: 'utf8',
  });
  if (packed.status !== 0) throw new Error(`The example could not be packed: ${packed.stderr}`);
}

async function answering(address: string): Promise<void> {
  const [host = '127.0.0.1', port = '7233'] = address.split(':');
  for (const deadline = Date.now() + READY_MS; Date.now() < deadline; await sleep(50)) {
    const isOpen = await new Promise<boolean>((resolve) => {
      const socket = createConnection({ host, port: Number(port) });
      socket.once('connect', () => (socket.destroy(), resolve(true)));
      socket.once('error', () => resolve(false));
    });
    if (isOpen) return;
  }
  throw new Error(`Temporal did not answer on ${address} within ${READY_MS / 1000} s.`);
}

async function until(url: string, log: string): Promise<void> {
  for (const deadline = Date.now() + READY_MS; Date.now() < deadline; await sleep(50)) {
    const reply = await fetch(url).catch(() => null);
    if (reply?.ok) return;
  }
  throw new Error(`${url} did not answer within ${READY_MS / 1000} s; see ${log}.`);
}
