import { chmodSync, cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { up } from './up.js';

const EXAMPLES = new URL('../../examples/', import.meta.url).pathname;
const TERMINAL = ['FINISHED', 'FAILED', 'CANCELLED'];
const show = (text: string): void => void process.stdout.write(`${text}\n`);

/** A real job from submission to archived outputs, in a folder of its own; exit code 0 only if all of it is right. */
async function demo(keep: boolean): Promise<boolean> {
  const home = mkdtempSync(join(tmpdir(), 'kilim-demo-'));
  chmodSync(home, 0o711);
  const kilim = await up({ home, seeds: [join(EXAMPLES, 'seed.json')], say: (text) => show(`# ${text}`) });
  try {
    const picture = join(home, 'apps', 'star.png');
    cpSync(join(EXAMPLES, 'img-classify', 'pictures', 'star.png'), picture);
    chmodSync(picture, 0o644);
    const isRight = await oneJob(kilim.url, picture);
    show(`\nTemporal UI: ${kilim.uiUrl ?? 'as configured'}   API: ${kilim.url}`);
    if (keep) {
      show('Everything keeps running; Ctrl-C ends it.');
      await new Promise<void>((resolve) =>
        process.once('SIGINT', () => resolve()).once('SIGTERM', () => resolve()),
      );
    }
    return isRight;
  } finally {
    await kilim.stop();
    rmSync(home, { recursive: true, force: true });
  }
}

async function oneJob(url: string, picture: string): Promise<boolean> {
  const login = await ask(`${url}/v3/oauth2/tokens`, {
    body: { username: 'alice', password: 'alice', grant_type: 'password' },
  });
  const token = (login as { access_token: { access_token: string } }).access_token.access_token;
  const job = (await ask(`${url}/v3/jobs/submit`, {
    token,
    body: {
      name: 'demo', appId: 'img-classify', appVersion: '0.0.1', execSystemId: 'vm-local',
      parameterSet: { appArgs: [{ arg: '--image_file' }, { arg: `'${picture}'` }] },
    },
  })) as { uuid: string }; // prettier-ignore
  show(`\nSubmitted job ${job.uuid}`);
  const begin = Date.now();
  let status = '';
  while (!TERMINAL.includes(status) && Date.now() - begin < 120_000) {
    const now = ((await ask(`${url}/v3/jobs/${job.uuid}/status`, { token })) as { status: string }).status;
    if (now !== status) show(`  ${now.padEnd(18)} ${Date.now() - begin} ms`);
    status = now;
    await sleep(20);
  }
  const output = await (
    await fetch(`${url}/v3/jobs/${job.uuid}/output/download/tapisjob.out`, {
      headers: { 'X-Tapis-Token': token },
    })
  ).text();
  show(`\ntapisjob.out:\n${output}`);
  const files = (await ask(`${url}/v3/jobs/${job.uuid}/output/list/`, { token })) as {
    path: string;
    size: number;
  }[];
  show(`Archived files:\n${files.map(({ path, size }) => `  ${path} (${size} bytes)`).join('\n')}`);
  const record = (await ask(`${url}/v3/jobs/${job.uuid}`, { token })) as { lastMessage: string };
  const scores = output.trim().split('\n').slice(-5);
  const isRight =
    status === 'FINISHED' &&
    scores.length === 5 &&
    scores.every((line) => /^.+ \(score = \d\.\d+\)$/.test(line)) &&
    /^star\b/.test(scores[0] ?? '');
  show(
    isRight
      ? '\nThe job is FINISHED and its output is right.'
      : `\nThe job is ${status}: ${record.lastMessage}`,
  );
  return isRight;
}

async function ask(url: string, { token, body }: { token?: string; body?: unknown }): Promise<unknown> {
  const reply = await fetch(url, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { 'Content-Type': 'application/json', ...(token ? { 'X-Tapis-Token': token } : {}) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const answer = (await reply.json()) as { message: string; result: unknown };
  if (!reply.ok) throw new Error(`${url}: ${reply.status} ${answer.message}`);
  return answer.result;
}

process.exitCode = (await demo(process.argv.includes('--keep'))) ? 0 : 1;
