import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { homedir } from 'node:os';
import { join } from 'node:path';

export interface Home {
  dir: string;
  apiPort: number;
  temporalPort: number;
  uiPort: number;
  release: () => void;
}

/** The folder of an embedded installation: keys, databases, remembered ports. One `up` at a time. */
export async function openHome(wanted: string | undefined, port: number | undefined): Promise<Home> {
  const dir = wanted ?? process.env['KILIM_HOME'] ?? join(homedir(), '.kilim');
  mkdirSync(join(dir, 'keys'), { recursive: true, mode: 0o700 });
  chmodSync(join(dir, 'keys'), 0o700);
  // jobs of this machine run below as another account: it may pass, not look
  chmodSync(dir, 0o711);
  const release = lock(join(dir, 'up.lock'));
  const key = join(dir, 'keys', 'master.key');
  if (!existsSync(key)) writeFileSync(key, `${randomBytes(32).toString('base64')}\n`, { mode: 0o600 });
  const file = join(dir, 'ports.json');
  const kept = existsSync(file)
    ? (JSON.parse(readFileSync(file, 'utf8')) as Partial<Record<'api' | 'temporal' | 'ui', number>>)
    : {};
  const apiPort = await freePort(port ?? kept.api ?? 8080, port !== undefined);
  const temporalPort = await freePort(kept.temporal ?? 0, false);
  const uiPort = await freePort(kept.ui ?? 0, false);
  writeFileSync(file, JSON.stringify({ api: apiPort, temporal: temporalPort, ui: uiPort }), { mode: 0o600 });
  return { dir, apiPort, temporalPort, uiPort, release };
}

function lock(file: string): () => void {
  for (let attempt = 0; ; attempt++) {
    try {
      const fd = openSync(file, 'wx', 0o600);
      writeSync(fd, String(process.pid));
      closeSync(fd);
      return () => rmSync(file, { force: true });
    } catch {
      const pid = Number(readFileSync(file, 'utf8')) || 0;
      if (attempt > 0 || isAlive(pid))
        throw new Error(`Another kilim up (process ${pid}) uses this home: ${file}`);
      rmSync(file, { force: true }); // its owner died
    }
  }
}

const isAlive = (pid: number): boolean => {
  try {
    return pid > 1 && process.kill(pid, 0);
  } catch {
    return false;
  }
};

/** The wanted port of loopback where it is free, else any; `isFixed`: that one or an error. */
const freePort = (wanted: number, isFixed: boolean): Promise<number> =>
  new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', () => {
      if (isFixed) reject(new Error(`The port ${wanted} is in use.`));
      else freePort(0, true).then(resolve, reject);
    });
    probe.listen(wanted, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === 'object' && address ? address.port : wanted));
    });
  });
