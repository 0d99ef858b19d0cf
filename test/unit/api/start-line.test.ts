import { expect, it, vi } from 'vitest';

import { createStartLine } from '../../../api/start-line.js';
import type { Job } from '../../../domain/jobs/job.js';

const job = (uuid: string, owner = 'alice'): Job => ({ uuid, tenant: 'dev', owner }) as Job;
const crowd = Array.from({ length: 6 }, (_, i) => `job-${i}`);

/** A line before a Temporal that answers each start only when told so. */
function aLine() {
  const asked: string[] = [];
  const answer = new Map<string, (isTaken: boolean) => void>();
  const line = createStartLine(({ uuid }) => {
    asked.push(uuid);
    return new Promise((done) => answer.set(uuid, done));
  });
  return { line, asked, answer: (uuid: string, isTaken = true) => answer.get(uuid)?.(isTaken) };
}

it('starts a job that comes alone at once', () => {
  const { line, asked } = aLine();
  line.add(job('one'));
  expect(asked).toEqual(['one']);
});

it('starts a crowd in its order, two at a time', async () => {
  const { line, asked, answer } = aLine();
  for (const uuid of crowd) line.add(job(uuid));
  for (const [i, uuid] of crowd.entries()) {
    await vi.waitFor(() => expect(asked).toContain(uuid));
    expect(asked).toEqual(crowd.slice(0, Math.max(2, i + 1)));
    if (i > 0) answer(crowd[i - 1] ?? '');
  }
});

it('starts the jobs of another owner in turn with those of a crowd', async () => {
  const { line, asked, answer } = aLine();
  for (const uuid of crowd) line.add(job(uuid));
  for (const uuid of ['other-0', 'other-1']) line.add(job(uuid, 'bob'));
  const order = ['job-0', 'job-1', 'job-2', 'other-0', 'job-3', 'other-1', 'job-4', 'job-5'];
  await vi.waitFor(() => {
    asked.forEach((uuid) => answer(uuid));
    expect(asked).toEqual(order);
  });
});

it('starts again at once when the crowd is gone', async () => {
  const { line, asked, answer } = aLine();
  for (const uuid of crowd) line.add(job(uuid));
  await vi.waitFor(() => {
    crowd.forEach((uuid) => answer(uuid));
    expect(asked).toEqual(crowd);
  });
  await new Promise(setImmediate);
  line.add(job('late'));
  expect(asked.at(-1)).toBe('late');
});

it('leaves the others to the reconciler where Temporal does not take one', async () => {
  const { line, asked, answer } = aLine();
  for (const uuid of crowd) line.add(job(uuid));
  crowd.slice(0, 2).forEach((uuid) => answer(uuid, false));
  await new Promise(setImmediate);
  expect(asked).toEqual(crowd.slice(0, 2));
  line.add(job('later'));
  expect(asked).toEqual([...crowd.slice(0, 2), 'later']);
});

it('starts a job before its turn when there is an order for it', async () => {
  const { line, asked, answer } = aLine();
  for (const uuid of crowd) line.add(job(uuid));
  let isTried = false;
  const tried = line.hurry('job-5').then(() => (isTried = true));
  expect(asked).toEqual(['job-0', 'job-1', 'job-5']);
  await new Promise(setImmediate);
  expect(isTried).toBe(false);
  answer('job-5');
  await tried;
  await line.hurry('unknown');
});
