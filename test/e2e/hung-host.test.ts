import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { HANGING, withSshd } from '../support/an-sshd.js';
import { aHome, aKilim, type Kilim } from '../support/kilim.js';
import { part } from '../support/testbed.js';

/* Many jobs of one user for hosts that do not answer, and a job of another user for a host that does. */

const vm = part('vm-ssh');
/** More jobs than the worker has places. */
const CROWD = 240;

const system = (id: string, owner: string, port: number): object => ({
  id, owner, systemType: 'LINUX', host: '127.0.0.1', port, defaultAuthnMethod: 'PKI_KEYS', effectiveUserId: vm?.user ?? '',
  rootDir: vm?.home ?? '', canExec: true, jobWorkingDir: 'workdir', jobRuntimes: [{ runtimeType: 'ZIP' }],
}); // prettier-ignore

function aSeed(ports: { frozen: number; hanging: number }): string {
  const home = aHome();
  const ids = ['frozen', 'hanging', 'bobs'];
  const seed = {
    tenant: 'dev',
    users: ['alice', 'bob'].map((name) => ({ username: name, password: name })),
    systems: [system('frozen', 'alice', ports.frozen), system('hanging', 'alice', ports.hanging), system('bobs', 'bob', vm?.port ?? 0)],
    credentials: ids.map((systemId) => ({ systemId, userName: vm?.user, privateKey: readFileSync(vm?.privateKeyFile ?? '', 'utf8') })),
    apps: ['alice', 'bob'].map((owner) => ({ id: `app-of-${owner}`, version: '1', owner, runtime: 'ZIP', containerImage: `${home}/apps/shell.tar` })),
    profiles: [],
  }; // prettier-ignore
  const file = join(home, 'seed.json');
  writeFileSync(file, JSON.stringify(seed), { mode: 0o600 });
  return file;
}

async function submit({ call }: Kilim, user: string, execSystemId: string): Promise<string> {
  const { status, message, result } = await call(
    'POST',
    '/v3/jobs/submit',
    { name: 'test', appId: `app-of-${user}`, appVersion: '1', execSystemId, parameterSet: { appArgs: [{ arg: '"echo hi"' }] } },
    user,
  ); // prettier-ignore
  if (status !== 200) throw new Error(message);
  return (result as { uuid: string }).uuid;
}

/** Milliseconds until bob's `echo hi` is FINISHED. */
async function bobsJob(kilim: Kilim): Promise<number> {
  const begin = performance.now();
  const uuid = await submit(kilim, 'bob', 'bobs');
  for (;;) {
    const { result } = await kilim.call('GET', `/v3/jobs/${uuid}/status`, undefined, 'bob');
    const { status } = result as { status: string };
    if (status === 'FINISHED') return performance.now() - begin;
    if (status === 'FAILED' || performance.now() - begin > 60_000) throw new Error(`bob's job is ${status}`);
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
}

describe.runIf(vm && process.getuid?.() === 0)('a crowd of jobs for hosts that do not answer', () => {
  it(
    "leaves another user's job as quick as it was, and blocks",
    () =>
      withSshd({}, (frozen) =>
        withSshd(HANGING, async (hanging) => {
          const kilim = await aKilim({ seedFile: aSeed({ frozen: frozen.port, hanging: hanging.port }) });
          try {
            await bobsJob(kilim);
            const lonely = await bobsJob(kilim);
            frozen.signal('SIGSTOP');
            const crowd = [];
            for (let i = 0; i < CROWD; i += 20)
              crowd.push(
                ...(await Promise.all(
                  Array.from({ length: 20 }, (_, j) =>
                    submit(kilim, 'alice', j % 2 === 0 ? 'frozen' : 'hanging'),
                  ),
                )),
              );
            expect(await bobsJob(kilim)).toBeLessThan(3 * lonely + 5_000);
            for (const uuid of crowd.filter((_, i) => i % 20 === 0)) {
              const { lastMessage } = await kilim.until(uuid, 'BLOCKED', 60);
              expect(lastMessage).toMatch(/did not answer|cannot be reached|could not be logged in to/);
            }
            expect(await bobsJob(kilim)).toBeLessThan(3 * lonely + 5_000);
          } finally {
            await kilim.stop();
          }
        }),
      ),
    180_000,
  );
});
