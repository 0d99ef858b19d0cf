import { expect, it, vi } from 'vitest';

import type { Deps } from '../../../activities/deps.js';
import { stopRemote } from '../../../activities/stop-remote.js';
import type { Hosts } from '../../../hosts/hosts.js';
import type { Store } from '../../../store/store.js';
import { hostOpener } from '../../../worker/open-host.js';
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
    const openHost = hostOpener(store, hosts);
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
