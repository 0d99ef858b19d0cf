import { randomUUID } from 'node:crypto';

import { KilimError } from '../domain/errors.js';
import { choiceOfSystems } from '../domain/jobs/plan/choice-of-systems.js';
import { planJob, type PlanInput } from '../domain/jobs/plan/plan-job.js';
import { hostEvalsNeeded } from '../domain/jobs/plan/directories.js';
import type { PlannedJob } from '../domain/jobs/job-plan.js';
import type { JobRequest } from '../domain/jobs/request.js';
import { hostVariable } from '../hosts/host-variable.js';
import { isLocal } from '../hosts/local.js';
import { runtimes } from '../runtimes/index.js';
import { schedulers } from '../schedulers/index.js';
import { now } from '../store/now.js';
import { appFor, loginUserOf, systemFor } from './authorize.js';
import type { ApiDeps, Caller } from './deps.js';
import { refuseTooMany } from './host-attempts.js';
import { checkPlannedPaths } from './planned-paths.js';
import { callerIn, refuseThisMachine } from './this-machine.js';

/** The most variables that HOST_EVAL may name in a request: each takes a command on a host while the caller waits. */
const MOST_HOST_EVALS = 10;

/** Loads what a request names, with the owner's rights (platform §6.4), asks hosts for HOST_EVAL, and plans. */
export async function plan(request: JobRequest, caller: Caller, deps: ApiDeps): Promise<PlannedJob> {
  const { store } = deps;
  const owner: Caller =
    request.owner && caller.isAdmin
      ? { ...caller, user: request.owner, isAdmin: await store.users.isAdmin(caller.tenant, request.owner) }
      : caller;
  if (owner !== caller && (await store.users.lockout(caller.tenant, owner.user)).isDisabled)
    throw new KilimError('INVALID_REQUEST', `owner: the user ${owner.user} is disabled`);
  const app = await appFor(store, owner, request.appId, request.appVersion, 'EXECUTE');
  if (!app.enabled || !app.versionEnabled)
    throw new KilimError('INVALID_REQUEST', `appId: ${app.id} ${app.version} is not enabled`);
  const choice = choiceOfSystems(request, app);
  const exec = await systemFor(store, owner, choice.execSystemId, 'EXECUTE');
  const archive =
    choice.archiveSystemId === null ? null : await systemFor(store, owner, choice.archiveSystemId, 'READ');
  const dtn =
    choice.dtnWanted && exec.dtnSystemId ? await systemFor(store, owner, exec.dtnSystemId, 'READ') : null;
  for (const system of [exec, archive, dtn])
    if (system) await refuseThisMachine(deps, system, [owner.user, ...callerIn(caller)]);
  const profileName = choice.profileName(exec);
  const profile = profileName ? await store.profiles.find(caller.tenant, profileName) : null;
  if (profileName && !profile)
    throw new KilimError('PROFILE_NOT_FOUND', `The scheduler profile ${profileName} was not found.`);

  const systems = { exec, archive, dtn };
  const loginUsers = Object.fromEntries(
    await Promise.all(
      [exec, archive, dtn]
        .flatMap((system) => system ?? [])
        .map(async (system) => [system.id, await loginUserOf(store, system, owner.user)] as const),
    ),
  );
  const hostEvals: Record<string, string | null> = {};
  const needed = hostEvalsNeeded({ request, app, systems });
  if (needed.length > MOST_HOST_EVALS)
    throw new KilimError(
      'INVALID_REQUEST',
      `HOST_EVAL: ${needed.length} variables of hosts are named; at most ${MOST_HOST_EVALS} are possible`,
    );
  if (needed.length > 0) await refuseTooMany(deps, caller);
  for (const { systemId, variable } of needed) {
    const system = [archive, dtn].find((other) => other?.id === systemId) ?? exec;
    const { tenant, host, port } = system;
    const login = { loginUser: loginUsers[system.id] ?? '', asUser: owner.user };
    const opened = await deps.hosts.open({ tenant, systemId: system.id, host, port, ...login });
    hostEvals[`${systemId}:${variable}`] = await hostVariable(opened, variable);
  }
  const hostKind = isLocal(exec, { isEnabled: deps.config.KILIM_LOCAL_EXECUTION }) ? 'local' : 'ssh';
  const input: PlanInput = {
    uuid: `${randomUUID()}-007`,
    now: now(),
    caller,
    request,
    app,
    sharedAppCtx: null,
    hostKind,
    systems,
    loginUsers,
    profile,
    isProfileOwnerAdmin: profile !== null && (await store.users.isAdmin(caller.tenant, profile.owner)),
    hostEvals,
  };
  const planned = planJob(input);
  const { plan: made } = planned;
  const faults = [
    ...runtimes[made.runtime].faults(made, hostKind),
    ...schedulers[made.keeper].faults(
      made.schedulerOptions.map(({ arg }) => arg),
      made,
    ),
  ];
  if (faults.length > 0) throw new KilimError('INVALID_REQUEST', faults.join('\n'));
  await checkPlannedPaths(deps, owner, made);
  return planned;
}
