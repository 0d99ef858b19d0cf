import { expect, it, vi } from 'vitest';

import type { Deps } from '../../../activities/deps.js';
import { stopRemote } from '../../../activities/stop-remote.js';
import type { HostAddress } from '../../../hosts/host.js';
import type { Hosts } from '../../../hosts/hosts.js';
import type { Store } from '../../../store/store.js';
import { hostOpener, hostProber } from '../../../worker/open-host.js';
import { aPlan } from '../../support/a-plan.js';
import { aSystem } from '../store/a-store.js';

it.each([{ enabled: false }, { enabled: true, deleted: true }])(
  'ends what runs on a system that serves no jobs any more: %o',
  async (state) => {
    const run = vi.fn(() => Promise.resolve({ left: [] }));
    const plan = aPlan();
    const store = {
      systems: { find: () => Promise.resolve(aSystem(state)) },
      jobs: { get: () => Promise.resolve({ tenant: 'dev', plan, remoteJobId: '7', launchedOn: 'h' }) },
    } as unknown as Store;
    const hosts = {
      open: () => Promise.resolve({ name: 'h', identity: () => Promise.resolve('h'), run }),
    } as unknown as Hosts;
    const openHost = hostOpener(store, hosts, { isEnabled: false, users: [] });
    const deps = {
      store,
      openHost,
      installation: 'i',
      schedulers: { [plan.keeper]: { cancel: () => ({}) } },
    } as unknown as Deps;
    await stopRemote(deps, 'u');
    expect(run).toHaveBeenCalledOnce();
    await expect(openHost('dev', plan.exec)).rejects.toMatchObject({ code: 'SYSTEM_NOT_AVAILABLE' });
  },
);

it('opens this machine only for jobs of users that may use it, but lets runs of all users be ended', async () => {
  const system = aSystem({ host: 'localhost', port: -1, owner: 'alice' });
  const store = {
    systems: { find: () => Promise.resolve(system) },
    users: { isAdmin: (_tenant: string, user: string) => Promise.resolve(user === 'admin') },
  } as unknown as Store;
  const hosts = { open: () => Promise.resolve('opened') } as unknown as Hosts;
  const open = (users: string[], asUser: string, evenDisabled = false) =>
    hostOpener(store, hosts, { isEnabled: true, users })(
      'dev',
      { ...aPlan().exec, asUser },
      { evenDisabled },
    );
  await expect(open(['alice', 'bob'], 'bob')).resolves.toBe('opened');
  await expect(open(['alice'], 'admin')).resolves.toBe('opened');
  for (const [users, asUser] of [
    [['alice'], 'bob'],
    [['bob'], 'bob'],
    [[], 'alice'],
  ] as const)
    await expect(open([...users], asUser)).rejects.toMatchObject({ code: 'SYSTEM_NOT_AVAILABLE' });
  await expect(open([], 'bob', true)).resolves.toBe('opened');
});

it('logs in and tests where a system is now, not where it was when a job was planned', async () => {
  const asked: string[] = [];
  const at = (what: string) => (address: HostAddress) => {
    asked.push(`${what} ${address.host}:${address.port} as ${address.loginUser}`);
    return Promise.resolve();
  };
  const store = {
    systems: { find: () => Promise.resolve(aSystem({ host: 'moved.example', port: 2222, enabled: false })) },
  } as unknown as Store;
  const { exec } = aPlan();
  const nowhere = { isEnabled: false, users: [] };
  await hostOpener(store, { open: at('open') } as unknown as Hosts, nowhere)('dev', exec, {
    evenDisabled: true,
  });
  await hostProber(store, { probe: at('probe') })('dev', exec);
  expect(asked).toEqual(['open moved.example:2222 as lu', 'probe moved.example:2222 as lu']);
});
