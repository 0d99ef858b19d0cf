import { DefaultLogger, makeTelemetryFilterString, Runtime } from '@temporalio/worker';
import type { Level, Logger } from 'pino';

const LEVELS: Record<string, Level> = {
  TRACE: 'trace',
  DEBUG: 'debug',
  INFO: 'info',
  WARN: 'warn',
  ERROR: 'error',
};

/**
 * What the SDK says goes through our log, with the uuid of the job it is about; its figures are served on
 * `metricsAddress` (host:port) where one is given. Before any connection is made.
 */
export function installTelemetry(log: Logger, metricsAddress: string | null): void {
  Runtime.install({
    logger: new DefaultLogger('WARN', ({ level, message, meta }) => {
      const { workflowId, ...more } = meta ?? {};
      log[LEVELS[level] ?? 'warn'](
        { ...(typeof workflowId === 'string' ? { jobUuid: workflowId } : {}), ...more },
        message,
      );
    }),
    telemetryOptions: {
      logging: { forward: {}, filter: makeTelemetryFilterString({ core: 'WARN', other: 'ERROR' }) },
      ...(metricsAddress
        ? { metrics: { prometheus: { bindAddress: metricsAddress, useSecondsForDurations: true } } }
        : {}),
    },
  });
}
