import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';
import { defineQuery, defineSignal } from '@temporalio/workflow';

import type { Order } from '../domain/jobs/ticket.js';

/** Sent by the API, the command line, or an operator in the Temporal UI. */
export const pause = defineSignal<[Order?]>('pause');
export const resume = defineSignal<[Order?]>('resume');
/** Hints: the job looks for itself. */
export const remoteHint = defineSignal('remoteHint');
export const resourceFreed = defineSignal('resourceFreed');

export const getStatus = defineQuery<string>('getStatus');

export const JOB_STATUS = defineSearchAttributeKey('JobStatus', SearchAttributeType.KEYWORD);
export const REMOTE_JOB_ID = defineSearchAttributeKey('RemoteJobId', SearchAttributeType.KEYWORD);
export const BLOCKED_CODE = defineSearchAttributeKey('BlockedCode', SearchAttributeType.KEYWORD);
