import { proxyActivities, proxyLocalActivities } from '@temporalio/workflow';

import type { Activities } from '../activities/index.js';

/* All time-outs and retries of the engine, by risk class; nowhere else may one stand. */

const BRIEF = { initialInterval: '2 seconds', backoffCoefficient: 2, maximumInterval: '30 seconds' } as const;

/** Short remote steps, and the launch, which is safe to repeat because it finds and adopts. */
export const { admitJob, makeDirectories, stageJob, submitJob, holdRemote, releaseRemote } =
  proxyActivities<Activities>({
    startToCloseTimeout: '35 minutes', // a pull of a large image is part of stageJob
    scheduleToCloseTimeout: '2 hours',
    retry: BRIEF,
  });

/** Bytes on their way: heartbeats tell of a lost worker, cancelling waits for the end of the file. */
export const { stageInputs, archiveOutputs } = proxyActivities<Activities>({
  startToCloseTimeout: '12 hours',
  scheduleToCloseTimeout: '48 hours',
  heartbeatTimeout: '60 seconds',
  retry: { initialInterval: '10 seconds', backoffCoefficient: 2, maximumInterval: '5 minutes' },
});

/** Waiting by failing: retries leave no events; the delay comes with the failure. */
export const { awaitRemoteEnd } = proxyActivities<Activities>({
  startToCloseTimeout: '2 minutes',
  cancellationType: 'TRY_CANCEL',
  retry: BRIEF,
});

/** A host that does not answer blocks without limit. */
export const { awaitRecovery: awaitHost } = proxyActivities<Activities>({
  startToCloseTimeout: '1 minute',
  cancellationType: 'TRY_CANCEL',
  retry: BRIEF,
});

/** Everything else that may pass has two days (design, how long BLOCKED). */
export const { awaitRecovery } = proxyActivities<Activities>({
  startToCloseTimeout: '1 minute',
  scheduleToCloseTimeout: '48 hours',
  cancellationType: 'TRY_CANCEL',
  retry: BRIEF,
});

/** Cleaning up after a cancel goes on for a day. */
export const { stopRemote } = proxyActivities<Activities>({
  startToCloseTimeout: '1 minute',
  scheduleToCloseTimeout: '24 hours',
  retry: { initialInterval: '1 second', backoffCoefficient: 2, maximumInterval: '5 minutes' },
});

/** A record is near and quick: inside the workflow task, one event. */
export const { recordStatus: recordNearby } = proxyLocalActivities<Activities>({
  startToCloseTimeout: '5 seconds',
  scheduleToCloseTimeout: '8 seconds',
  retry: { initialInterval: '200 milliseconds', backoffCoefficient: 2, maximumInterval: '2 seconds' },
});

/** Where the store is away for longer, the record waits without holding the workflow task. */
export const { recordStatus } = proxyActivities<Activities>({
  startToCloseTimeout: '10 seconds',
  retry: { initialInterval: '200 milliseconds', backoffCoefficient: 2, maximumInterval: '30 seconds' },
});

export const { watchHost } = proxyActivities<Activities>({
  startToCloseTimeout: '6 hours',
  heartbeatTimeout: '10 seconds',
  retry: { initialInterval: '1 second', backoffCoefficient: 2, maximumInterval: '1 minute' },
});
