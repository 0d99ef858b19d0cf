import {
  Client,
  Connection,
  WorkflowNotFoundError,
  type WorkflowExecutionDescription,
} from '@temporalio/client';
import { defaultPayloadConverter, defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import type { Logger } from 'pino';

import type { Step } from '../domain/jobs/explain.js';
import type { Job } from '../domain/jobs/job.js';
import { fairnessKey, labelsOf, summaryOf } from '../domain/jobs/labels.js';
import type { Order } from '../domain/jobs/ticket.js';
import type { Config } from '../schemas/config.js';
import { createStartLine } from './start-line.js';

/** The only place of the API that speaks to Temporal. Its absence is no error of a request: the row decides. */
export interface Engine {
  /** Soon; where Temporal does not take it, the reconciler follows. Starting twice starts once: id = uuid. */
  start: (job: Job) => void;
  cancel: (uuid: string) => Promise<boolean>;
  signal: (uuid: string, name: 'pause' | 'resume', order: Order) => Promise<boolean>;
  /** What the job's workflow is at; null where it is at nothing, undefined where Temporal does not answer. */
  step: (uuid: string) => Promise<Step | null | undefined>;
  ping: () => Promise<boolean>;
  close: () => Promise<void>;
}

const DEADLINE_MS = 3_000;

export function createEngine(config: Config, log: Logger): Engine {
  const { connectionOptions } = loadClientConnectConfig();
  const connection = Connection.lazy({ ...connectionOptions, address: config.TEMPORAL_ADDRESS });
  const client = new Client({ connection, namespace: config.TEMPORAL_NAMESPACE });
  const soon = async (what: string, work: () => Promise<unknown>): Promise<boolean> => {
    try {
      await connection.withDeadline(Date.now() + DEADLINE_MS, work);
      return true;
    } catch (error) {
      if (!(error instanceof WorkflowNotFoundError))
        log.warn({ err: error }, `Temporal did not take: ${what}`);
      return false;
    }
  };
  const line = createStartLine((job) =>
    soon(`the start of ${job.uuid}`, () =>
      client.workflow.start('runJob', {
        workflowId: job.uuid,
        taskQueue: config.KILIM_TASK_QUEUE,
        args: [{ uuid: job.uuid }],
        workflowIdReusePolicy: 'REJECT_DUPLICATE',
        workflowIdConflictPolicy: 'USE_EXISTING',
        priority: { fairnessKey: fairnessKey(job) },
        staticSummary: summaryOf(job),
        typedSearchAttributes: Object.entries(labelsOf(job)).map(([name, value]) => ({
          key: defineSearchAttributeKey(name, SearchAttributeType.KEYWORD),
          value,
        })),
      }),
    ),
  );
  const order = async (what: string, uuid: string, give: () => Promise<unknown>): Promise<boolean> => {
    await line.hurry(uuid); // an order for a job that is still in the line
    return soon(`${what} of ${uuid}`, give);
  };
  return {
    start: line.add,
    cancel: (uuid) => order('the cancel', uuid, () => client.workflow.getHandle(uuid).cancel()),
    signal: (uuid, name, by) => order(name, uuid, () => client.workflow.getHandle(uuid).signal(name, by)),
    async step(uuid) {
      let found: Step | null = null;
      const answered = await soon(`a question about ${uuid}`, async () => {
        const { raw } = await client.workflow.getHandle(uuid).describe();
        found = stepOf(raw.pendingActivities?.[0]);
      });
      return answered ? found : undefined;
    },
    ping: () => soon('a ping', () => client.workflowService.getSystemInfo({})),
    close: () => connection.close(),
  };
}

type PendingActivity = NonNullable<WorkflowExecutionDescription['raw']['pendingActivities']>[number];

function stepOf(pending: PendingActivity | undefined): Step | null {
  if (!pending) return null;
  const [beat] = pending.heartbeatDetails?.payloads ?? [];
  const next = pending.nextAttemptScheduleTime?.seconds;
  return {
    activity: pending.activityType?.name ?? 'a step',
    attempt: pending.attempt ?? 1,
    lastFailure: pending.lastFailure?.message ?? null,
    nextTry: next ? new Date(Number(next) * 1000).toISOString() : null,
    moved: beat ? defaultPayloadConverter.fromPayload<Step['moved']>(beat) : null,
  };
}
