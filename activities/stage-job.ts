import { KilimError } from '../domain/errors.js';
import { lastWords } from '../domain/remote-command.js';
import { quote } from '../domain/shell.js';
import type { Host } from '../hosts/host.js';
import type { Preparation } from '../runtimes/runtime.js';
import type { Deps } from './deps.js';
import type { Progress } from './progress.js';

/**
 * Makes the exec dir ready: unpacks or pulls the application, writes `tapisjob.env` and `tapisjob.sh`.
 * Safe to repeat: files are replaced by renaming, so a script that already runs keeps its own text.
 * @throws KilimError HOST_*, DISK_FULL (recovered); STAGE_JOB_FAILED
 */
export async function stageJob(
  { store, openHost, runtimes, schedulers, installation }: Deps,
  uuid: string,
  { signal }: Progress,
): Promise<void> {
  const plan = await store.jobs.getPlan(uuid);
  const runtime = runtimes[plan.runtime];
  const host = await openHost(plan.tenant, plan.exec);
  for (const preparation of runtime.prepare(plan)) await prepare(store, host, uuid, preparation, signal);

  const env = Object.fromEntries((await store.jobs.getEnv(uuid)).map(({ key, value }) => [key, value]));
  const envFile = Buffer.from(runtime.envFile(plan, env));
  const script = Buffer.from(schedulers[plan.keeper].script(plan, runtime.phrase(plan), installation));
  await host.run({
    // over stdin: values of the environment must not stand in a process list
    line: [
      `cd ${quote(plan.paths.execDir)} || exit 73`,
      'umask 077',
      `head -c ${envFile.length} > .tapisjob.env.new && mv .tapisjob.env.new tapisjob.env && chmod 600 tapisjob.env || exit 74`,
      'cat > .tapisjob.sh.new && chmod 770 .tapisjob.sh.new && mv .tapisjob.sh.new tapisjob.sh || exit 74',
    ].join('\n'),
    stdin: Buffer.concat([envFile, script]),
    parse: (reply) => {
      if (reply.exitCode === 0) return;
      const words = lastWords(reply);
      throw new KilimError(
        /No space left|quota exceeded/i.test(words) ? 'DISK_FULL' : 'STAGE_JOB_FAILED',
        `The launch files could not be written: ${words}`,
      );
    },
  });
}

const TELL_MS = 5_000;

/** Runs one preparation; while it takes long, the job's record says what is done and how far it is. */
async function prepare(
  store: Deps['store'],
  host: Host,
  uuid: string,
  { command, says, progress }: Preparation,
  signal: AbortSignal,
): Promise<void> {
  const tell = async (): Promise<void> => {
    const words = progress ? await host.run(progress, { signal }) : '';
    await store.jobs.setMessage(uuid, `${says} on ${host.name}${words ? `: ${words}` : ''}`);
  };
  // that it cannot be told is no reason to end it
  const timer = setInterval(() => void tell().catch(() => undefined), TELL_MS);
  if (!says) clearInterval(timer);
  try {
    await host.run(command, { signal });
  } finally {
    clearInterval(timer);
  }
}
