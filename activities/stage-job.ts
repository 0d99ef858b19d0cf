import { randomUUID } from 'node:crypto';

import { Context } from '@temporalio/activity';

import { KilimError } from '../domain/errors.js';
import type { JobPlan } from '../domain/jobs/job-plan.js';
import { dropEnv, envFileOf, envLinkOf, ledgerDir, moreEnvFileOf, scriptOf } from '../domain/jobs/ledger.js';
import { busyDelay } from '../domain/jobs/waiting.js';
import { isDiskFull, lastWords } from '../domain/remote-command.js';
import { quote } from '../domain/shell.js';
import { makingDirs, makingFault } from '../hosts/change-files.js';
import type { Host } from '../hosts/host.js';
import type { Preparation } from '../runtimes/runtime.js';
import type { Deps } from './deps.js';
import { makesThemAlong, ownDirs } from './make-directories.js';
import { notYet } from './not-yet.js';
import type { Progress } from './progress.js';
import { tellSharers } from './tell-sharers.js';

/**
 * Makes the exec dir ready: makes the directories of a small job, unpacks or pulls the application, writes
 * `tapisjob.sh` and `tapisjob.env` in the ledger, and for users a copy of the script and a link in the exec dir.
 * Safe to repeat: files are replaced by renaming, so a script that already runs keeps its own text.
 * @throws KilimError HOST_*, DISK_FULL (recovered); STAGE_JOB_FAILED; REMOTE_ACCESS_DENIED, PATH_INVALID of directories
 */
export async function stageJob(
  { store, openHost, runtimes, schedulers, installation }: Deps,
  uuid: string,
  { signal }: Progress,
): Promise<void> {
  const plan = await store.jobs.getPlan(uuid);
  const runtime = runtimes[plan.runtime];
  const host = await openHost(plan.tenant, plan.exec);
  const env = Object.fromEntries((await store.jobs.getEnv(uuid)).map(({ key, value }) => [key, value]));
  const files = {
    env: Buffer.from(runtime.envFile(plan, env)),
    more: Buffer.from(runtime.moreEnvFile?.(plan, env) ?? ''),
    script: Buffer.from(schedulers[plan.keeper].script(plan, runtime.phrase(plan), installation)),
  };
  const attempt = randomUUID().slice(0, 8);
  const written = writing(plan, attempt, files, runtime.prepare(plan));
  let busy: string | null;
  try {
    busy = await host.run(makesThemAlong(plan) ? inNewDirs(plan, written) : written, { signal });
  } finally {
    // a cancelled job is not launched, and no later step removes its environment
    if (signal.aborted) await dropped(host, plan, attempt);
  }
  if (!busy) return tellSharers({ store }, plan);
  await askAgain(store, uuid, `${busy} (${host.name})`);
}

/** Removes the environment file of a cancelled try; where the host does not answer now, the file stays. */
const dropped = (host: Host, plan: JobPlan, attempt: string): Promise<void> =>
  host
    .run({ line: `${dropEnv(plan, attempt)}; drop_env`, timeoutSeconds: 10, parse: () => undefined })
    .catch(() => undefined);

/** A small job's directories are made by the way. */
const inNewDirs = (plan: JobPlan, work: Preparation): Preparation => {
  const dirs = ownDirs(plan);
  return {
    ...work,
    line: [...makingDirs(plan.exec.rootDir, dirs), work.line].join('\n'),
    parse: (reply) => {
      const fault = makingFault(reply, dirs);
      if (fault) throw fault;
      return work.parse(reply);
    },
  };
};

/** Of the launch files; apart from the exit codes of preparations. */
const NOT_WRITTEN = 90;

/**
 * The preparation and the launch files in one command. The files get their names last: an archive may hold some that
 * are called the same. They come over stdin: values of the environment must not stand in a process list.
 */
const writing = (
  plan: JobPlan,
  attempt: string,
  { env, more, script }: Record<'env' | 'more' | 'script', Buffer>,
  preparation: Preparation,
): Preparation => ({
  ...preparation,
  line: [
    `cd ${quote(plan.paths.execDir)} || exit ${NOT_WRITTEN}`,
    // of this try alone: one whose link broke may still be at work
    `new=${quote(ledgerDir(plan))}/new.${attempt}; mkdir -p "\${new%/*}" || exit ${NOT_WRITTEN}`,
    `(umask 077; head -c ${env.length} > "$new.env" && head -c ${more.length} > "$new.more" && cat > "$new.sh" && chmod 770 "$new.sh") || exit ${NOT_WRITTEN}`,
    '(',
    preparation.line,
    ') < /dev/null; code=$?',
    // a preparation that failed is not launched, and needs no file with values of the environment
    '[ $code -eq 0 ] || { rm -f "$new.env" "$new.more" "$new.sh"; exit $code; }',
    more.length === 0
      ? 'rm -f "$new.more"'
      : `mv -fT "$new.more" ${quote(moreEnvFileOf(plan))} || exit ${NOT_WRITTEN}`,
    // a user may edit the copy in the exec dir
    `mv -fT "$new.env" ${quote(envFileOf(plan))} && ln -sfn ${quote(envLinkOf(plan))} tapisjob.env && cp -p "$new.sh" "$new.copy" && mv -fT "$new.sh" ${quote(scriptOf(plan))} && mv -fT "$new.copy" tapisjob.sh || exit ${NOT_WRITTEN}`,
  ].join('\n'),
  stdin: Buffer.concat([env, more, script]),
  parse: (reply) => {
    if (reply.exitCode !== NOT_WRITTEN) return preparation.parse(reply);
    const words = lastWords(reply);
    throw new KilimError(
      isDiskFull(words) ? 'DISK_FULL' : 'STAGE_JOB_FAILED',
      `The launch files could not be written: ${words}`,
    );
  },
});

/** Waits by failing, without an event in the history: who waits for an image takes no room from others. */
async function askAgain(store: Deps['store'], uuid: string, says: string): Promise<never> {
  await store.jobs.setMessage(uuid, says);
  throw notYet(says, busyDelay(Context.current().info.attempt));
}
