/**
 * The published tutorial with the official TypeScript client: classify a picture, look at the job, share its output.
 *
 *     node examples/tutorial.ts http://127.0.0.1:8080     (Node 22.18 or newer; before: see README.md)
 *       [--user alice --password alice] [--exec-system vm-local] [--hpc-system ID]
 *       [--image PATH_OR_HTTP_URL] [--expect LABEL]
 *
 * A path is one on the execution system. Ends with 0 only if every step held; the user must own the execution
 * system, since only its owner may share files.
 */
import { resolve } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Authenticator, Files, Jobs, Systems } from '@tapis/tapis-typescript';

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    user: { type: 'string', default: 'alice' },
    password: { type: 'string', default: 'alice' },
    'exec-system': { type: 'string', default: 'vm-local' },
    'hpc-system': { type: 'string' },
    image: { type: 'string', default: resolve('examples/img-classify/pictures/star.png') },
    expect: { type: 'string' },
    'share-with': { type: 'string', default: 'train301' },
    'share-password': { type: 'string', default: 'train301' },
    seconds: { type: 'string', default: '600' },
  },
});

interface Client {
  jobs: Jobs.JobsApi;
  systems: Systems.SystemsApi;
  systemPermissions: Systems.PermissionsApi;
  content: Files.ContentApi;
  filePermissions: Files.PermissionsApi;
}

function check(holds: boolean, what: string): void {
  console.log(`${holds ? 'ok  ' : 'FAIL'} ${what}`);
  if (!holds) process.exit(1);
}

async function logIn(basePath: string, username: string, password: string): Promise<Client> {
  const tokens = new Authenticator.TokensApi(new Authenticator.Configuration({ basePath }));
  const reply = await tokens.createToken({ reqCreateToken: { username, password, grant_type: 'password' } });
  const token = reply.result?.access_token?.access_token ?? '';
  check(token !== '', `logged in as ${username}`);
  const settings = { basePath, headers: { 'X-Tapis-Token': token } }; // each part has its own Configuration class
  return {
    jobs: new Jobs.JobsApi(new Jobs.Configuration(settings)),
    systems: new Systems.SystemsApi(new Systems.Configuration(settings)),
    systemPermissions: new Systems.PermissionsApi(new Systems.Configuration(settings)),
    content: new Files.ContentApi(new Files.Configuration(settings)),
    filePermissions: new Files.PermissionsApi(new Files.Configuration(settings)),
  };
}

async function submit({ jobs }: Client, execSystemId: string, more: Jobs.JobParameterSet): Promise<string> {
  const appArgs = [{ arg: '--image_file' }, { arg: `'${options.image}'` }];
  const { result } = await jobs.submitJob({
    reqSubmitJob: {
      name: 'img-classifier-job',
      description: 'image classifier',
      appId: 'img-classify',
      execSystemId,
      appVersion: '0.0.1',
      parameterSet: { appArgs, ...more },
    },
  });
  const uuid = result?.uuid ?? '';
  check(uuid !== '', `submitted ${uuid} to ${execSystemId}`);
  const list = await jobs.getJobList({});
  check(list.result?.some((job) => job.uuid === uuid) ?? false, 'the list of jobs has it');
  return uuid;
}

/** Prints each new status; the job must end as FINISHED. */
async function wait({ jobs }: Client, jobUuid: string): Promise<void> {
  const start = Date.now();
  let seen = '';
  while (!['FINISHED', 'FAILED', 'CANCELLED'].includes(seen)) {
    const seconds = (Date.now() - start) / 1000;
    const { result } = await jobs.getJobStatus({ jobUuid });
    const status = result?.status ?? '';
    if (status !== seen) console.log(`     ${seconds.toFixed(1).padStart(5)} s  ${status}`);
    seen = status;
    if (seconds > Number(options.seconds))
      check(false, `the job is still ${seen} after ${options.seconds} s`);
    await setTimeout(500);
  }
  if (seen !== 'FINISHED') console.log(`     ${(await jobs.getJob({ jobUuid })).result?.lastMessage ?? ''}`);
  check(seen === 'FINISHED', 'the job finished');
}

/** Downloads the job's output and prints its last five lines. */
async function readScores({ jobs }: Client, jobUuid: string): Promise<string> {
  const output = await (await jobs.getJobOutputDownload({ jobUuid, outputPath: 'tapisjob.out' })).text();
  const lines = output.trim().split('\n').slice(-5);
  for (const line of lines) console.log(`     ${line}`);
  const scores = lines.map((line) => Number(/^\S+ \(score = ([01]\.\d{5})\)$/.exec(line)?.[1]));
  check(scores.length === 5 && !scores.some(Number.isNaN), 'tapisjob.out ends with five scores');
  check(
    scores.every((score, i) => i === 0 || score <= (scores[i - 1] ?? 0)),
    'the best label comes first',
  );
  if (options.expect)
    check(lines[0]?.startsWith(`${options.expect} (`) ?? false, `the picture shows: ${options.expect}`);
  return output;
}

async function run(
  client: Client,
  systemId: string,
  more: Jobs.JobParameterSet = {},
): Promise<[string, string]> {
  const uuid = await submit(client, systemId, more);
  await wait(client, uuid);
  return [uuid, await readScores(client, uuid)];
}

/** `getContents` is typed as void in this client: the bytes are in the raw reply. */
async function readFile({ content }: Client, systemId: string, path: string): Promise<string> {
  return (await content.getContentsRaw({ systemId, path })).raw.text();
}

/** Grants the second user one file, who then reads it, and not the one beside it. */
async function share(client: Client, basePath: string, jobUuid: string, output: string): Promise<void> {
  const systemId = options['exec-system'];
  const other = options['share-with'];
  const { result: job } = await client.jobs.getJob({ jobUuid });
  const shared = `${job?.execSystemOutputDir ?? ''}/tapisjob.out`.replace(/^\/+/, '');
  const hidden = `${job?.execSystemExecDir ?? ''}/tapisjob.sh`.replace(/^\/+/, '');

  await client.systemPermissions.grantUserPerms({
    systemId,
    userName: other,
    reqPerms: { permissions: ['READ'] },
  });
  // the tutorial's own path, which need not exist, and that of the job's file
  for (const path of ['tapisjob.out', shared]) {
    const { result } = await client.filePermissions.grantPermissions({
      systemId,
      path,
      createPermissionRequest: { username: other, permission: Files.PermEnum.Read },
    });
    check(
      result?.permission === Files.PermEnum.Read && result.username === other,
      `granted ${path} to ${other}`,
    );
  }
  check((await readFile(client, systemId, hidden)) !== '', `${options.user} can read ${hidden}`);

  const reader = await logIn(basePath, other, options['share-password']);
  check((await reader.systems.getSystem({ systemId })).result?.id === systemId, `${other} sees the system`);
  check((await readFile(reader, systemId, shared)) === output, `${other} reads the same bytes`);
  const refusal: unknown = await readFile(reader, systemId, hidden).catch((error: unknown) => error);
  check(refusal instanceof Response && refusal.status === 403, `${other} is refused ${hidden}`);
}

async function main(): Promise<void> {
  const basePath = positionals[0];
  if (!basePath || positionals.length > 1) {
    console.error('give the base URL, for example http://127.0.0.1:8080');
    process.exit(2);
  }
  const client = await logIn(basePath, options.user, options.password);
  const [uuid, output] = await run(client, options['exec-system']);
  if (options['hpc-system']) {
    await run(client, options['hpc-system'], { schedulerOptions: [{ arg: '--tapis-profile tacc' }] });
  }
  await share(client, basePath, uuid, output);
}

try {
  await main();
} catch (error) {
  // the client rejects with the raw Response of a refusal
  console.error(
    error instanceof Response ? `${String(error.status)} ${error.url} ${await error.text()}` : error,
  );
  process.exitCode = 1;
}
