import { KilimError } from '../domain/errors.js';
import { lastWords } from '../domain/remote-command.js';
import { quote } from '../domain/shell.js';
import type { Deps } from './deps.js';

/**
 * Makes the exec dir ready: unpacks or pulls the application, writes `tapisjob.env` and `tapisjob.sh`.
 * Safe to repeat: files are replaced by renaming, so a script that already runs keeps its own text.
 * @throws KilimError HOST_*, DISK_FULL (recovered); STAGE_JOB_FAILED
 */
export async function stageJob(
  { store, openHost, runtimes, schedulers, installation }: Deps,
  uuid: string,
): Promise<void> {
  const plan = await store.jobs.getPlan(uuid);
  const runtime = runtimes[plan.runtime];
  if (!runtime) throw new KilimError('NOT_SUPPORTED', `The runtime ${plan.runtime} is not served.`);
  const host = await openHost(plan.tenant, plan.exec);
  for (const command of runtime.prepare(plan)) await host.run(command);

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
