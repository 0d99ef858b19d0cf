import { BaseSequencer, type TestSpecification } from 'vitest/node';

/*
 * `npm test` runs two lanes beside each other, `e2e` and all the rest, on the same hosts. So what needs a host whole comes
 * first, and what takes it away comes last, when the other lane has long done with it.
 */
const FIRST = [
  'e2e/tutorial', // also on the clusters, which the other lane breaks later
  'integration/contract', // also on the SSH hosts, which the other lane breaks later
  'integration/copy-between-hosts',
  'integration/singularity',
];
const LAST = [
  'integration/chaos',
  'integration/image', // on nobody's host
  'e2e/containers',
  'e2e/start-up-files',
  'e2e/blocked',
  'e2e/faults',
];

const rank = ({ moduleId }: TestSpecification): number => {
  const at = (list: string[]): number => list.findIndex((name) => moduleId.endsWith(`${name}.test.ts`));
  const [first, last] = [at(FIRST), at(LAST)];
  return first >= 0 ? first - FIRST.length : last >= 0 ? last + 1 : 0;
};

export class Order extends BaseSequencer {
  override sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    return Promise.resolve(
      [...files].sort((a, b) => rank(a) - rank(b) || (a.moduleId < b.moduleId ? -1 : 1)),
    );
  }
}
