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
import { labelsOf, summaryOf } from '../domain/jobs/labels.js';
import type { Order } from '../domain/jobs/ticket.js';
import type { Config } from '../schemas/config.js';

/** The only place of the API that speaks to Temporal. Its absence is no error of a request: the row decides. */
export interface Engine {
  /** False where Temporal did not take it: the reconciler will. */
  start: (job: Job) => Promise<boolean>;
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
  return {
    start: (job) =>
      soon(`the start of ${job.uuid}`, () =>
        client.workflow.start('runJob', {
          workflowId: job.uuid,
          taskQueue: config.KILIM_TASK_QUEUE,
          args: [{ uuid: job.uuid }],
          workflowIdReusePolicy: 'REJECT_DUPLICATE',
          workflowIdConflictPolicy: 'USE_EXISTING',
          staticSummary: summaryOf(job),
          typedSearchAttributes: Object.entries(labelsOf(job)).map(([name, value]) => ({
            key: defineSearchAttributeKey(name, SearchAttributeType.KEYWORD),
            value,
          })),
        }),
      ),
    cancel: (uuid) => soon(`the cancel of ${uuid}`, () => client.workflow.getHandle(uuid).cancel()),
    signal: (uuid, name, order) =>
      soon(`${name} of ${uuid}`, () => client.workflow.getHandle(uuid).signal(name, order)),
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
