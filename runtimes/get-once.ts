import { createHash } from 'node:crypto';

import { cutUrls } from '../domain/files/shown-url.js';
import { ledgerDir } from '../domain/jobs/ledger.js';
import type { JobPlan } from '../domain/jobs/job-plan.js';
import { lastWords } from '../domain/remote-command.js';
import { quote } from '../domain/shell.js';
import { failsAs } from './fails-as.js';
import type { Preparation } from './runtime.js';

/** An image that many jobs of a host want and that takes minutes to get. All members are shell text. */
export interface Image {
  /** Words for people. */
  name: string;
  /** A word: the folder for the work. */
  work: string;
  isThere: string;
  /** Lines that find the program which gets it, or end with `return ABSENT`. */
  find: string[];
  /** Gets it whole or not at all; says on its outputs what it does. */
  get: string;
  /** Removes what a cut-off `get` left behind. */
  clean: string;
}

/** A file name that people recognise and that no other image has. */
export const plainName = (image: string): string =>
  `${image.replace(/[^A-Za-z0-9.]+/g, '-').slice(0, 100)}-${createHash('sha256').update(image).digest('hex').slice(0, 12)}`;

/** What `get_image` returns while somebody gets it, and where the host has not the program for it. */
const BUSY = 75;
export const ABSENT = 69;

/** A get that no job has asked for during so many seconds ends. */
const PATIENCE_SECONDS = 30;

/**
 * Once per host and image, however many jobs want it, and in the background: a job that waits holds no connection.
 * Whoever has the lock gets it, and the lock lives as long as he. Each job leaves a file in `wanted` and touches it
 * when it asks again; a failure is written into them.
 */
export const getOnce = (plan: JobPlan, image: Image, isAbsentFine = false): Preparation => {
  const fails = failsAs(`The image ${image.name} cannot be had`);
  return {
    line: [...getFunction(plan, image), 'get_image'].join('\n'),
    parse: (reply) => {
      if (reply.exitCode === BUSY) return cutUrls(`The image ${image.name} is pulled: ${lastWords(reply)}`);
      return reply.exitCode === ABSENT && isAbsentFine ? null : fails(reply);
    },
  };
};

/** Lines that wait until the image is there; for the job's own script. */
export const waitForImage = (plan: JobPlan, image: Image): string =>
  `${image.isThere} || { ${[...getFunction(plan, image), `get_image; while [ $? -eq ${BUSY} ]; do sleep 2; get_image; done`].join('\n')}; }`;

/** A line that fails with the message of the pull that the job waited for, once. */
const FAILED = '[ -s "$mine" ] && { cat "$mine" >&2; rm -f "$mine"; return 65; }';

const getFunction = ({ uuid, paths }: JobPlan, image: Image): string[] => [
  'get_image() {',
  `  ${image.isThere} && return 0`,
  `  local work=${image.work} ledger=${quote(ledgerDir({ uuid, paths }))} mine`,
  `  mine=$work/wanted/${uuid}`,
  '  mkdir -p "$work/wanted" "$ledger" || return 73',
  `  ${FAILED}`,
  '  touch "$mine" || return 73',
  '  exec 8> "$work/lock" || return 73',
  // a file system without locks is no reason to wait
  `  flock -n -E ${BUSY} 8`,
  `  if [ $? -ne ${BUSY} ]; then`,
  `    ${image.isThere} && return 0`, // it came between the two looks
  ...image.find.map((line) => `    ${line}`),
  '    : > "$work/log"',
  `    work=$work setsid bash -c ${quote(getter(image))} < /dev/null > /dev/null 2>&1 &`,
  '  fi',
  '  exec 8>&-',
  '  tr "\\r" "\\n" < "$work/log" 2> /dev/null | grep . | tail -n 1 | cut -c 1-200',
  `  return ${BUSY}`,
  '}',
];

const getter = ({ get, clean }: Image): string =>
  [
    `trap ${quote(clean)} EXIT`,
    'set -m', // the program gets a process group of its own
    'for wait in 3 10 0; do',
    `  { ${get}; } > "$work/log" 2>&1 &`,
    '  pid=$!; touch "$work/since"; last=$SECONDS',
    '  while kill -0 $pid; do',
    '    sleep 0.2',
    `    [ $((SECONDS - last)) -lt ${PATIENCE_SECONDS} ] && continue`,
    '    [ -n "$(find "$work/wanted" -type f -newer "$work/since")" ] || { kill -TERM -- -$pid; sleep 2; kill -KILL -- -$pid; exit; }',
    '    touch "$work/since"; last=$SECONDS',
    '  done',
    '  wait $pid && { rm -f "$work"/wanted/*; exit; }',
    `  [ $wait -gt 0 ] && grep -Eqi ${quote(PASSING.source)} "$work/log" || break`,
    '  sleep $wait',
    'done',
    'for job in "$work"/wanted/*; do tail -n 5 "$work/log" > "$job"; done',
  ].join('\n');

/** Words of a registry or network that may say something else in a moment. */
const PASSING =
  /timeout|timed out|connection reset|temporary failure|unexpected eof|too ?many ?requests|50[234] (bad|service|gateway)/;
