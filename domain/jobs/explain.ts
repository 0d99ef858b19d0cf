import type { JobCondition } from './condition.js';
import type { Job } from './job.js';
import type { RemoteState } from './remote.js';
import { reasonInWords } from './slurm-reasons.js';
import type { JobStatus } from './status.js';
import { usageInWords } from './usage.js';

/** What a job does or waits for, for people who ask "why?". */
export interface Explanation {
  status: JobStatus;
  /** Since when it has been in this status. */
  since: string;
  /** One sentence. */
  explanation: string;
  /** The own words of hosts, schedulers and applications. */
  evidence: string[];
  /** What happens next by itself, and when. */
  next: string;
  /** What the user or an operator can do. */
  advice: string[];
}

/** What is known about a job, from the store and from the engine. */
export interface Facts {
  job: Job;
  since: string;
  now: string;
  /** What the job's watcher saw last, and when. */
  seen: { state: RemoteState; at: string } | null;
  /** The step that the engine is at; null where there is none; undefined where the engine does not answer. */
  step: Step | null | undefined;
  /** Jobs that wait for the same limit since before this one; null where it waits for none. */
  ahead: number | null;
}

export interface Step {
  activity: string;
  attempt: number;
  /** Why the last try was not the last. */
  lastFailure: string | null;
  nextTry: string | null;
  /** Of a transfer under way. */
  moved: { bytes: number; files: number } | null;
}

/** The same sentences stand in the Temporal UI. */
export const DOES: Readonly<Record<JobStatus, string>> = {
  PENDING: 'The job was accepted and waits for its first step',
  PROCESSING_INPUTS: "The job's directories are made on its systems",
  STAGING_INPUTS: 'Its inputs are brought to the execution system',
  STAGING_JOB: 'The application and the launch script are made ready on the execution system',
  SUBMITTING_JOB: 'It is handed to the host or its scheduler',
  QUEUED: 'It waits in the queue of the scheduler',
  RUNNING: 'The application runs',
  ARCHIVING: 'Its outputs are copied to the archive',
  BLOCKED: 'It waits for something that may pass',
  PAUSED: 'It was paused',
  FINISHED: 'The job has finished well',
  CANCELLED: 'The job was cancelled, and nothing of it runs any more',
  FAILED: 'The job has failed',
};

/** Why Slurm lets a job wait, in a sentence; `reason` as squeue prints it. */
export const waitsInQueue = (
  { remoteJobId, plan }: Pick<Job, 'remoteJobId' | 'plan'>,
  reason: string,
): string =>
  `Slurm job ${remoteJobId ?? ''} waits in the queue ${plan.hpcQueue ?? ''}: ${reasonInWords(reason).says}`.replace(
    ' :',
    ':',
  );

/** Never throws; what is not known is left out. */
export function explain(facts: Facts): Explanation {
  const { job, since, step } = facts;
  const isOver = job.ended !== null;
  const isEnding = !isOver && (job.cancelRequested || step?.activity === 'stopRemote');
  const told = isEnding ? ending(facts) : (TELLERS[job.status]?.(facts) ?? {});
  const engineAway = !isOver && step === undefined;
  return {
    status: job.status,
    since,
    explanation: `${told.explanation ?? DOES[job.status]}.`,
    evidence: [...(told.evidence ?? []), ...(LOOKS.has(job.status) && !isEnding ? [] : wordsOf(step))].filter(
      Boolean,
    ),
    next: engineAway
      ? 'The engine does not answer now; nothing is lost, and the job goes on when it is back.'
      : (told.next ?? nextOf(facts)),
    advice: [
      ...(told.advice ?? []),
      ...(engineAway ? ['Operators: look whether the Temporal server and a worker run.'] : []),
    ],
  };
}

/** The reason in the last line of a message such as `Slurm job 7 is PENDING: Resources`. */
const reasonIn = (message: string): string | undefined => {
  const line = message.slice(message.lastIndexOf('\n') + 1);
  const at = line.search(/ is [A-Z]+: \w/);
  return at < 0 ? undefined : line.slice(at + ' is '.length);
};

/** Here a failed try only says that it is not over yet. */
const LOOKS: ReadonlySet<JobStatus> = new Set(['QUEUED', 'RUNNING']);

type Told = Partial<Pick<Explanation, 'explanation' | 'evidence' | 'next' | 'advice'>>;

const TELLERS: Partial<Record<JobStatus, (facts: Facts) => Told>> = {
  PENDING: ({ step }) => ({
    advice: step === null ? ['Operators: a job stays here where no worker runs.'] : [],
  }),
  STAGING_INPUTS: moving,
  ARCHIVING: moving,
  QUEUED: ({ job, seen }) => {
    // a job that looked for itself wrote its reason down as its message
    const reason = (seen?.state.is === 'queued' ? seen.state.reason : undefined) ?? reasonIn(job.lastMessage);
    if (!reason) return { evidence: [job.lastMessage] };
    const { advice } = reasonInWords(reason);
    return {
      explanation: waitsInQueue(job, reason),
      evidence: [`squeue: ${reason}`],
      next: `Slurm starts it; Kilim hears of that at once.${seen ? ` The queue was last looked at ${seen.at}.` : ''}`,
      advice: advice ? [advice] : [],
    };
  },
  RUNNING: ({ job, now }) => {
    const began = job.remoteStarted;
    if (began === null) return {};
    const minutes = (Date.parse(now) - Date.parse(began) - job.pausedMs) / 60_000;
    return {
      explanation: `The application has been running for ${inMinutes(minutes)} of at most ${job.plan.maxMinutes} minutes`,
      evidence: [`remote job ${job.remoteJobId ?? 'unknown'} on ${job.plan.exec.host}`],
      next: `Its end is told by its wrapper at once. After ${job.plan.maxMinutes} minutes it is ended.`,
    };
  },
  BLOCKED: ({ job, ahead }) => ({
    explanation: `The job waits for something that may pass: ${sentence(job.lastMessage)}`,
    evidence: [job.lastMessage, ...(ahead === null ? [] : [inLine(ahead)])],
    advice: ['A resume (POST /v3/jobs/{uuid}/resume) makes it try at once.'],
  }),
  PAUSED: ({ job }) => ({
    explanation: sentence(job.lastMessage),
    next: 'Nothing, until it is resumed.',
    advice: ['POST /v3/jobs/{uuid}/resume, or the signal `resume` in the Temporal UI.'],
  }),
  FINISHED: (facts) => ({ evidence: ranFor(facts), next: 'Nothing: it is over.' }),
  CANCELLED: ({ job }) => ({ evidence: [job.lastMessage], next: 'Nothing: it is over.' }),
  FAILED: (facts) => {
    const { job } = facts;
    const why = job.condition ? WHY[job.condition] : undefined;
    const { says, advice } = typeof why === 'function' ? why(job) : (why ?? NO_WORDS);
    return {
      explanation: `The job has failed (${job.condition ?? 'no condition'})${says ? `: ${says}` : ''}`,
      evidence: [job.lastMessage, ...ranFor(facts)],
      next: 'Nothing: it is over.',
      advice: [...(advice ? [advice] : []), 'POST /v3/jobs/{uuid}/resubmit submits the same request again.'],
    };
  },
};

/** Its status stays what it was until that is certain. */
const ending = ({ job, step }: Facts): Told => {
  const isVerified = step?.activity === 'stopRemote';
  const what = job.cancelRequested ? 'The job is being cancelled' : 'The job is being ended';
  const until = isVerified
    ? `until ${job.plan.exec.systemId} confirms that nothing of it runs any more`
    : 'for the step that is under way to end';
  return {
    explanation: `${what}, and waits ${until}`,
    evidence: job.remoteJobId === null ? [] : [`remote job ${job.remoteJobId} on ${job.plan.exec.host}`],
    advice:
      isVerified && step.lastFailure
        ? ['Operators: look whether the host and its scheduler answer; it is tried for a day.']
        : [],
  };
};

const inLine = (ahead: number): string =>
  ahead === 0
    ? 'it is the next in line'
    : `${ahead} ${ahead === 1 ? 'job waits' : 'jobs wait'} for the same limit since before it`;

function moving({ step }: Facts): Told {
  const moved = step?.moved;
  return moved
    ? { evidence: [`moved so far: ${(moved.bytes / 1e6).toFixed(1)} MB in ${moved.files} files`] }
    : {};
}

type Why = { says: string; advice: string };

const NO_WORDS: Why = { says: '', advice: '' };
const ITS_LINES = 'Read its last lines and its output files.';
const AGAIN = 'Submit it again; where it happens often, tell the site.';
const REPEATABLE =
  'An application that may run twice can say so (notes.kilim.repeatable); Slurm then starts it again by itself.';

/** What Slurm's word says about an end that is nobody's fault; the word stands in the message. */
const ENDED_BY_SLURM: readonly (readonly [RegExp, Why])[] = [
  [/second time/, { says: 'Slurm started it again after its node was lost or it was preempted, and it may not run twice', advice: REPEATABLE }],
  [/\b(NODE_FAIL|BOOT_FAIL|LAUNCH_FAILED|RECONFIG_FAIL)\b/, { says: 'the node that it ran on was lost or could not start it, and that is no fault of the application', advice: AGAIN }],
  [/\bPREEMPTED\b/, { says: 'Slurm ended it to make room for a job that goes first', advice: `Submit it again, or choose a queue whose jobs are not preempted. ${REPEATABLE}` }],
  [/\bREVOKED\b/, { says: 'Slurm took it back, as where another cluster of a federation started it', advice: AGAIN }],
]; // prettier-ignore

const endedBySlurm = ({ lastMessage }: Job): Why => {
  const [ours = ''] = lastMessage.split('Its last lines:'); // the application may say anything
  return (
    ENDED_BY_SLURM.find(([word]) => word.test(ours))?.[1] ?? {
      says: 'the application itself ended with an error, or was killed',
      advice: ITS_LINES,
    }
  );
};

type NoFailure = 'NORMAL_COMPLETION' | 'CANCELLED_BY_USER';

const WHY: Partial<Record<NoFailure, Why>> & Record<Exclude<JobCondition, NoFailure>, Why | ((job: Job) => Why)> = {
  JOB_REMOTE_OUTCOME_ERROR: { says: 'the application itself ended with an error', advice: ITS_LINES },
  SCHEDULER_TERMINATED: endedBySlurm,
  JOB_EXECUTION_MONITORING_TIMEOUT: ({ plan }) => ({ says: `it ran longer than its maxMinutes, ${plan.maxMinutes}`, advice: 'Ask for more maxMinutes.' }),
  SCHEDULER_TIMEOUT: ({ plan }) => ({ says: `it ran longer than its maxMinutes, ${plan.maxMinutes}, and Slurm ended it`, advice: 'Ask for more maxMinutes.' }),
  SCHEDULER_OUT_OF_MEMORY: ({ plan }) => ({ says: `it needed more memory than the ${plan.memoryMB} MB that were asked for`, advice: 'Ask for more memoryMB.' }),
  SCHEDULER_CANCELLED: { says: 'it was cancelled in Slurm, not through Kilim', advice: 'Ask who cancelled it: an administrator, or the login user.' },
  SCHEDULER_DEADLINE: { says: 'it could not end before its deadline', advice: 'Ask for a later --deadline.' },
  SCHEDULER_STOPPED: { says: 'the host or its scheduler stopped it, as when a node is lost', advice: AGAIN },
  JOB_UNABLE_TO_STAGE_INPUTS: { says: 'an input could not be brought', advice: 'Look at the sourceUrl that the message names.' },
  JOB_TRANSFER_FAILED_OR_CANCELLED: { says: 'an input could not be brought', advice: 'Look at the sourceUrl that the message names.' },
  JOB_UNABLE_TO_STAGE_JOB: { says: 'the application could not be made ready on the host', advice: "Look at the application's containerImage." },
  JOB_LAUNCH_FAILURE: { says: 'the host or its scheduler refused it', advice: 'Look at the queue, the account and the scheduler options.' },
  JOB_ARCHIVING_FAILED: { says: 'it ran, but its outputs could not be copied to the archive', advice: 'They still are on the execution system.' },
  JOB_RECOVERY_TIMEOUT: { says: 'what blocked it did not pass in time', advice: 'Mend what the message names, then submit it again.' },
  JOB_REMOTE_ACCESS_ERROR: { says: 'a system refused what the job needs there', advice: 'Look at the directories of the job and at the rights of its login there.' },
  JOB_EXECUTION_MONITORING_ERROR: { says: 'it ended, and nobody knows how', advice: 'Look at its output files; where they are whole, its work is done.' },
  JOB_EXECUTION_MONITORING_ERROR_TIMEOUT: { says: 'its host did not tell of it for too long', advice: 'Look at its output files, then submit it again.' },
  JOB_QUEUE_MONITORING_ERROR: { says: 'its scheduler did not tell of it', advice: AGAIN },
  JOB_TRANSFER_MONITORING_TIMEOUT: { says: 'its files took too long on their way', advice: AGAIN },
  JOB_FILES_SERVICE_ERROR: { says: 'its files could not be moved', advice: AGAIN },
  JOB_RECOVERY_FAILURE: { says: 'what blocked it could not be tested', advice: 'Mend what the message names, then submit it again.' },
  JOB_DATABASE_ERROR: { says: 'its record could not be kept', advice: 'Operators: look at the store.' },
  JOB_INTERNAL_ERROR: { says: 'Kilim itself failed', advice: 'Operators: look for the uuid in the log of the worker.' },
  JOB_INVALID_DEFINITION: { says: 'what it names is not there any more', advice: 'Look at its application and systems.' },
}; // prettier-ignore

const ranFor = ({ job }: Facts): string[] => {
  if (job.remoteStarted === null || job.remoteEnded === null) return [];
  const minutes = (Date.parse(job.remoteEnded) - Date.parse(job.remoteStarted) - job.pausedMs) / 60_000;
  return [
    `ran for ${inMinutes(minutes)}; asked for ${job.plan.maxMinutes} minutes`,
    ...(job.usage ? usageInWords(job.usage, job.plan.memoryMB) : []),
  ];
};

const wordsOf = (step: Step | null | undefined): string[] =>
  step?.lastFailure ? [`try ${step.attempt - 1} of ${step.activity}: ${step.lastFailure}`] : [];

const nextOf = ({ step }: Facts): string =>
  step?.nextTry
    ? `It is looked at again at ${step.nextTry}, by itself.`
    : step
      ? `${step.activity} is under way${step.attempt > 1 ? `, try ${step.attempt}` : ''}.`
      : 'A worker takes the next step.';

const inMinutes = (minutes: number): string =>
  minutes < 1.5 ? `${Math.max(0, Math.round(minutes * 60))} seconds` : `${Math.round(minutes)} minutes`;

const sentence = (text: string): string => {
  const trimmed = text.trimEnd();
  return trimmed.endsWith('.') ? trimmed.slice(0, -1) : trimmed;
};
