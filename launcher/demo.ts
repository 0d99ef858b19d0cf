import { chmodSync, copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { examplePicture, exampleSeed } from './example-app.js';
import { up, type Up } from './up.js';

const TERMINAL = ['FINISHED', 'FAILED', 'CANCELLED'];
const PATIENCE_MS = 120_000;
const LOOK_MS = 50;
/** The picture that is submitted shows this. */
const SHOWN = 'star';
const SCORES = 5;
/** What the user's own installation is told by the environment is not for the demo's. */
const OURS = [
  'DATABASE_URL',
  'KILIM_MASTER_KEY',
  'KILIM_MASTER_KEY_FILE',
  'KILIM_HOST',
  'KILIM_TENANT',
  'PUBLIC_URL',
  'KILIM_WORKFLOW_BUNDLE',
  'KILIM_ALLOWED_HOSTS',
];

const show = (text: string): void => void process.stdout.write(`${text}\n`);

/** A real job from submission to archived outputs, in a folder of its own; true only if all of it is right. */
async function demo(keep: boolean): Promise<boolean> {
  const home = mkdtempSync(join(tmpdir(), 'kilim-demo-'));
  let kilim: Up | undefined;
  const interrupted = new Promise<void>((resolve) =>
    process.once('SIGINT', resolve).once('SIGTERM', resolve),
  );
  try {
    show(`# Starting Temporal, API and worker in ${home} (a few seconds)`);
    const env = {
      ...Object.fromEntries(OURS.map((name) => [name, undefined])),
      KILIM_LOCAL_EXECUTION: 'true',
    };
    kilim = await up({ home, seeds: [exampleSeed], env, say: (text) => show(`# ${text}`) });
    show(`# API ${kilim.url}${kilim.uiUrl ? `, Temporal UI ${kilim.uiUrl}` : ''}`);
    const isRight = await Promise.race([oneJob(kilim.url, pictureIn(home)), interrupted.then(() => false)]);
    if (keep) {
      show(`\nEverything keeps running; Ctrl-C ends it and removes ${home}.`);
      show(`  API          ${kilim.url}/v3/  (users alice/alice, train301/train301)`);
      show(`  Temporal UI  ${kilim.uiUrl ?? 'as configured'}`);
      await interrupted;
    }
    return isRight;
  } finally {
    show('# Stopping everything');
    await kilim?.stop();
    rmSync(home, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Where the account that runs the job can read it. */
function pictureIn(home: string): string {
  const picture = join(home, 'apps', `${SHOWN}.png`);
  copyFileSync(examplePicture, picture);
  chmodSync(picture, 0o644);
  return picture;
}

async function oneJob(url: string, picture: string): Promise<boolean> {
  const login = await ask<{ access_token: { access_token: string } }>(`${url}/v3/oauth2/tokens`, {
    body: { username: 'alice', password: 'alice', grant_type: 'password' },
  });
  const token = login.access_token.access_token;
  const body = {
    name: 'demo',
    appId: 'img-classify',
    appVersion: '0.0.1',
    execSystemId: 'vm-local',
    parameterSet: { appArgs: [{ arg: '--image_file' }, { arg: `'${picture}'` }] },
  };
  show(`\nPOST ${url}/v3/jobs/submit\n${JSON.stringify(body, null, 2)}\n`);
  const { uuid } = await ask<{ uuid: string }>(`${url}/v3/jobs/submit`, { token, body });
  show(`Job ${uuid}`);
  const status = await follow(`${url}/v3/jobs/${uuid}`, token);
  if (status !== 'FINISHED') {
    const { lastMessage } = await ask<{ lastMessage: string }>(`${url}/v3/jobs/${uuid}`, { token });
    show(`\nThe job is ${status}: ${lastMessage}`);
    return false;
  }
  const files = await ask<{ path: string; size: number }[]>(`${url}/v3/jobs/${uuid}/output/list/`, { token });
  show(`\nArchived files:\n${files.map(({ path, size }) => `  ${path} (${size} bytes)`).join('\n')}`);
  const reply = await fetch(`${url}/v3/jobs/${uuid}/output/download/tapisjob.out`, {
    headers: { 'X-Tapis-Token': token },
  });
  const output = await reply.text();
  show(`\ntapisjob.out:\n${output}`);
  const isRight = reply.ok && isClassified(output);
  show(
    isRight
      ? 'The job is FINISHED and its output is right.'
      : 'The job is FINISHED, but its output is not what it should be.',
  );
  return isRight;
}

interface JobEvent {
  event: string;
  eventDetail: string;
  created: string;
}

/** Shows each status of the job's history as it comes; ends with the last. */
async function follow(job: string, token: string): Promise<string> {
  const begin = Date.now();
  const seen: string[] = [];
  let first = 0;
  while (Date.now() - begin < PATIENCE_MS) {
    const { status } = await ask<{ status: string }>(`${job}/status`, { token });
    const events = await ask<JobEvent[]>(`${job}/history?limit=-1`, { token });
    for (const { eventDetail, created } of events
      .filter(({ event }) => event === 'JOB_NEW_STATUS')
      .slice(seen.length)) {
      first ||= Date.parse(created);
      seen.push(eventDetail);
      show(`  ${eventDetail.padEnd(20)} ${String(Date.parse(created) - first).padStart(6)} ms`);
    }
    if (TERMINAL.includes(status)) return status;
    await sleep(LOOK_MS);
  }
  return `${seen.at(-1) ?? 'unknown'} after ${PATIENCE_MS / 1000} s`;
}

/** Five labels with their scores, best first, and the best is what the picture shows. */
function isClassified(output: string): boolean {
  const last = output.trim().split('\n').slice(-SCORES);
  const scores = last.map((line) => Number(/^.+ \(score = (\d\.\d+)\)$/.exec(line)?.[1] ?? NaN));
  const isSorted = scores.every(
    (score, i) => !Number.isNaN(score) && (i === 0 || score <= (scores[i - 1] ?? 0)),
  );
  return scores.length === SCORES && isSorted && (last[0] ?? '').startsWith(SHOWN);
}

async function ask<T>(url: string, { token, body }: { token?: string; body?: unknown }): Promise<T> {
  const reply = await fetch(url, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { 'Content-Type': 'application/json', ...(token ? { 'X-Tapis-Token': token } : {}) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const answer = (await reply.json()) as { message: string; result: T };
  if (!reply.ok) throw new Error(`${url}: ${reply.status} ${answer.message}`);
  return answer.result;
}

try {
  process.exitCode = (await demo(process.argv.includes('--keep'))) ? 0 : 1;
} catch (error) {
  process.stderr.write(`The demo failed: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
