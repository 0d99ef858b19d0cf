import { continueAsNew } from '@temporalio/workflow';

import type { WatchTicket } from '../domain/jobs/ticket.js';
import { watchHost } from './activities.js';

/** Watches one host for one login user, as long as jobs live there. The work is one long activity. */
export async function watch(ticket: WatchTicket): Promise<void> {
  try {
    await watchHost(ticket);
  } catch (error) {
    // its hours are over and jobs still live: a fresh history
    if (error instanceof Error && error.cause instanceof Error && error.cause.name === 'TimeoutFailure') {
      await continueAsNew<typeof watch>(ticket);
    }
    throw error;
  }
}
