import { expect, it } from 'vitest';

import type { Deps } from '../../../activities/deps.js';
import { archiveRoot } from '../../../activities/path-fence.js';
import { systemOf } from '../../../activities/source-system.js';
import type { PlannedInput } from '../../../domain/jobs/job-plan.js';
import { aPlan } from '../../support/a-plan.js';
import { aSystem } from '../domain/a-plan-input.js';

const OWNER = 'bob';

/** Olga's system `store`, of which bob holds what is given. */
function aWorld(held: Record<string, string[]>, admins: string[] = []) {
  const store = aSystem({ id: 'store', owner: 'olga', effectiveUserId: 'store', rootDir: '/data' });
  const deps = {
    store: {
      systems: { find: (_tenant: string, id: string) => Promise.resolve(id === 'store' ? store : null) },
      grants: {
        levels: (_tenant: string, resource: string, user: string) =>
          Promise.resolve(user === OWNER ? (held[resource] ?? []) : []),
      },
      users: { isAdmin: (_tenant: string, user: string) => Promise.resolve(admins.includes(user)) },
    },
  } as unknown as Deps;
  return { deps };
}

const plan = aPlan({ owner: OWNER });
const input = (sourceUrl: string, srcSharedCtx: string | null = null) =>
  ({ ...plan.inputs[0], sourceUrl, srcSharedCtx }) as PlannedInput;

it.each<[string, Record<string, string[]>, string | null]>([
  ['nothing is held', {}, null],
  ['the system alone', { 'system:store': ['READ', 'EXECUTE'] }, null],
  ['the path alone', { 'files:store:a': ['READ'] }, null],
  ['both', { 'system:store': ['READ'], 'files:store:a': ['READ'] }, 'a'],
  ['a path beside it', { 'system:store': ['READ'], 'files:store:a/bc': ['READ'] }, null],
])('reads a source of another system as its owner may: %s', async (_, held, fence) => {
  const { deps } = aWorld(held);
  const found = systemOf(deps, plan, input('tapis://store/a/b'));
  if (fence === null) await expect(found).rejects.toThrow('bob may not READ a/b on the system store.');
  else expect(await found).toMatchObject({ path: 'a/b', fence, use: { loginUser: 'store' } });
});

it('reads it with the rights of an administrator, or of the grantor of a shared application', async () => {
  const { deps } = aWorld({}, [OWNER, 'otto']);
  expect((await systemOf(deps, plan, input('tapis://store/a'))).fence).toBe('');
  expect((await systemOf(deps, plan, input('tapis://store/a', 'olga'))).fence).toBe('');
  await expect(systemOf(deps, plan, input('tapis://store/a', 'otto'))).rejects.toThrow('otto may not READ');
});

it('archives to another system only where its owner may write, and fenced by that', async () => {
  const archive = { ...plan.archive, systemId: 'store', rootDir: '/data' };
  const elsewhere = aPlan({ owner: OWNER, archive, archiveSystemDir: '/to/here' });
  const { deps } = aWorld({ 'system:store': ['READ'], 'files:store:to': ['MODIFY'] });
  const root = { rootDir: '/data', fences: [{ path: 'to' }] };
  expect(await archiveRoot(deps, elsewhere)).toEqual({ root, isForeign: true });
  await expect(archiveRoot(deps, { ...elsewhere, archiveSystemDir: '/other' })).rejects.toThrow(
    'bob may not MODIFY /other on the system store.',
  );
  const here = { ...elsewhere, archive: elsewhere.exec, archiveSystemDir: '/other' };
  expect((await archiveRoot(deps, here)).root).toBe(elsewhere.exec.rootDir);
  expect((await archiveRoot(deps, { ...elsewhere, owner: 'olga' })).isForeign).toBe(false);
});

it('fences by the outermost directory that was granted: within it the user may replace another one by a link', async () => {
  const { deps } = aWorld({ 'system:store': ['READ'], 'files:store:a': ['MODIFY'], 'files:store:a/b': ['READ', 'MODIFY'] }); // prettier-ignore
  expect((await systemOf(deps, plan, input('tapis://store/a/b/c'))).fence).toBe('a');
});
