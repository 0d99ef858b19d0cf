import { WorkflowNotFoundError, type Client } from '@temporalio/client';
import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';

import type { Deps } from '../activities/deps.js';
import type { Job } from '../domain/jobs/job.js';
import { fairnessKey, labelsOf, summaryOf } from '../domain/jobs/labels.js';
import type { Ticket, WatchTicket } from '../domain/jobs/ticket.js';

const WATCHER_MEMORY_MS = 30_000;

/** What the worker asks of Temporal as a client: hints, watchers, and workflows for rows without one. */
export const createEngine = (
  client: Client,
  taskQueue: string,
  log: Deps['log'],
): Deps['engine'] & { start: (ticket: Ticket, job: Job) => Promise<void> } => {
  const known = new Map<string, number>();
  return {
    async hint(uuid, signal) {
      try {
        await client.workflow.getHandle(uuid).signal(signal);
      } catch (error) {
        if (!(error instanceof WorkflowNotFoundError))
          log.warn({ uuid, signal, err: error }, 'a hint was lost');
      }
    },
    async ensureWatcher(ticket: WatchTicket) {
      if ((known.get(ticket.key) ?? -Infinity) > performance.now() - WATCHER_MEMORY_MS) return;
      await client.workflow.start('watch', {
        workflowId: ticket.key,
        taskQueue,
        args: [ticket],
        workflowIdConflictPolicy: 'USE_EXISTING',
        staticSummary: `watches ${ticket.loginUser}@${ticket.host}:${ticket.port} (system ${ticket.systemId})`,
      });
      known.set(ticket.key, performance.now());
    },
    async start(ticket, job) {
      await client.workflow.start('runJob', {
        workflowId: ticket.uuid,
        taskQueue,
        args: [ticket],
        workflowIdConflictPolicy: 'USE_EXISTING',
        workflowIdReusePolicy: 'ALLOW_DUPLICATE',
        priority: { fairnessKey: fairnessKey(job) },
        staticSummary: summaryOf(job),
        typedSearchAttributes: Object.entries(labelsOf(job)).map(([name, value]) => ({
          key: defineSearchAttributeKey(name, SearchAttributeType.KEYWORD),
          value,
        })),
      });
    },
  };
};
