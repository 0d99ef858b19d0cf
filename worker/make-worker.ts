import { ApplicationFailure, ApplicationFailureCategory } from '@temporalio/common';
import {
  NativeConnection,
  Worker,
  type ActivityInboundCallsInterceptor,
  type WorkflowBundleOption,
} from '@temporalio/worker';

import { createActivities } from '../activities/index.js';
import { SEATS } from '../activities/watch-host.js';
import type { Deps } from '../activities/deps.js';
import { KilimError, meaningOf } from '../domain/errors.js';
import { createPlaces } from './places.js';
import { createVisits } from './visits.js';

export interface WorkerOptions {
  connection: NativeConnection;
  namespace: string;
  taskQueue: string;
  workflowBundle: WorkflowBundleOption;
  deps: Deps;
  maxCachedWorkflows?: number;
}

/** Places for the steps of jobs. Watchers, which stay for hours, have SEATS of their own. */
const PLACES = 200;

/** The one worker of the engine; `main.ts` and the tests share it. */
export const makeWorker = ({
  connection,
  namespace,
  taskQueue,
  workflowBundle,
  deps,
  maxCachedWorkflows = 700, // half a megabyte each; who waits for long is replayed when it is woken
}: WorkerOptions): Promise<Worker> => {
  const visits = createVisits(deps, createPlaces(PLACES));
  return Worker.create({
    connection,
    namespace,
    taskQueue,
    workflowBundle,
    activities: createActivities({ ...deps, openHost: visits.openHost }),
    maxCachedWorkflows,
    maxConcurrentActivityTaskExecutions: PLACES + SEATS,
    maxConcurrentLocalActivityExecutions: 100,
    maxHeartbeatThrottleInterval: '1 second', // the answer to a heartbeat brings a cancel
    defaultHeartbeatThrottleInterval: '1 second',
    shutdownGraceTime: '5 seconds',
    shutdownForceTime: '20 seconds',
    interceptors: {
      activity: [
        (context) => ({ inbound: errorsAsFailures(deps, context.info.activityType) }),
        () => ({ inbound: visits.interceptor() }),
      ],
    },
  });
};

/** A KilimError travels as the failure's type; whether it is tried again stands in the table of errors. */
const errorsAsFailures = ({ metrics, log }: Deps, activityType: string): ActivityInboundCallsInterceptor => ({
  async execute(input, next) {
    const begin = performance.now();
    try {
      return await next(input);
    } catch (error) {
      if (!(error instanceof KilimError)) {
        if (
          !(error instanceof ApplicationFailure) &&
          error instanceof Error &&
          error.name !== 'CancelledFailure'
        ) {
          log.warn({ activityType, err: error }, 'an activity failed in a way nobody foresaw');
        }
        throw error;
      }
      const meaning = meaningOf(error.code);
      throw ApplicationFailure.create({
        type: error.code,
        message: error.message.slice(0, 3000),
        nonRetryable: !meaning.retry,
        details: [{ systemId: error.detail['systemId'] }],
        category: meaning.recover ? ApplicationFailureCategory.BENIGN : undefined,
      });
    } finally {
      metrics.phase(activityType, (performance.now() - begin) / 1000);
    }
  },
});
