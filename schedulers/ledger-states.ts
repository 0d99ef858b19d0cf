import {
  signalOf,
  type RemoteEnd,
  type RemoteState,
  type Snapshot,
  type WrapperEvent,
} from '../domain/jobs/remote.js';
import { usageOf, type Usage } from '../domain/jobs/usage.js';
import type { Reply } from '../domain/remote-command.js';

/**
 * A shell function `probe UUID LEDGER` that prints one line about a job from its ledger and the process table,
 * with builtins only: three hundred jobs cost one process.
 */
export const PROBE = [
  'probe() {',
  '  local code begin end by cpu peak left own pid start node here stat',
  '  over() { read -r code begin end by cpu peak _ left own < "$2/exit"; echo "$1 over $code $begin $end ${cpu:--} ${peak:--} $left $own"; }',
  '  if [ -s "$2/exit" ]; then over "$@"; return; fi',
  '  if [ -s "$2/pid" ]; then',
  '    read -r pid start node < "$2/pid"; read -r here < /proc/sys/kernel/hostname; stat=; read -r stat 2>/dev/null < "/proc/$pid/stat"',
  '    local word rest=${stat##*) }; set -- "$1" "$2" $rest',
  '    if [ -n "$stat" ] && [ "${22}" = "$start" ] && [ "$3" != Z ]; then',
  '      [ "$3" = T ] && word=suspended || word=running; echo "$1 $word"; return',
  '    fi',
  // it may have ended between the two looks
  '    if [ -s "$2/exit" ]; then over "$@"; return; fi',
  '    [ -z "$node" ] || [ "$node" = "$here" ] || { echo "$1 elsewhere $node $here"; return; }',
  '    echo "$1 gone"; return',
  '  fi',
  '  if [ -d "$2/started.1" ]; then echo "$1 running"; else echo "$1 queued"; fi',
  '} 2>/dev/null',
].join('\n');

/** The most bytes of one look, which reports all jobs of a login user. */
export const LOOK_BYTES = 4 * 1024 * 1024;
const LOOK_LINES = 50_000;

/** @throws Error where there are more lines than a look can have, since reading them would hold up the program */
export function linesOf(stdout: string): string[] {
  const lines = stdout.split('\n', LOOK_LINES + 1);
  if (lines.length > LOOK_LINES) throw new Error(`a look at a host has more than ${LOOK_LINES} lines`);
  return lines;
}

export const parseStates = ({ stdout }: Reply): Snapshot => {
  const snapshot: Snapshot = {};
  for (const line of linesOf(stdout)) {
    if (line === '') continue;
    const [uuid, ...words] = line.trim().split(' ');
    if (uuid && uuid !== '__proto__' && words.length > 0) snapshot[uuid] = toState(words);
  }
  return snapshot;
};

export const parseState =
  (uuid: string) =>
  (reply: Reply): RemoteState =>
    parseStates(reply)[uuid] ?? {
      is: 'unknown',
      why: `nothing was said about the job (exit code ${reply.exitCode ?? 'none'})`,
    };

const toState = ([word, code, begin, end, cpu, peak, left, own]: string[]): RemoteState => {
  switch (word) {
    case 'elsewhere':
      return {
        is: 'unknown',
        why: `it runs on the node ${(code ?? '').slice(0, 100)}, and this login leads to ${(begin ?? '').slice(0, 100)}`,
      };
    case 'over':
      if (!/^-?\d{1,9}$/.test(code ?? ''))
        return { is: 'unknown', why: `the host said "over ${(code ?? '').slice(0, 40)}"` };
      return {
        ...endOf(Number(code), elapsed(begin, end), usageOf(elapsed(begin, end), cpu, peak)),
        ...besideOf(left, own),
      };
    case 'running':
      return { is: 'running' };
    case 'suspended':
      return { is: 'suspended' };
    case 'queued':
      return { is: 'queued' };
    case 'gone':
      return { is: 'over', exitCode: null, word: 'WRAPPER_LOST' };
    case 'away':
      return { is: 'unknown', why: 'the container engine does not answer' };
    default:
      return { is: 'unknown', why: `the host said "${(word ?? '').slice(0, 40)}"` };
  }
};

const elapsed = (begin?: string, end?: string): number => Number(end) - Number(begin);

export const endOf = (exitCode: number, elapsedMs?: number, usage?: Usage): RemoteEnd => ({
  is: 'over',
  exitCode,
  ...signalOf(exitCode),
  ...(elapsedMs !== undefined && Number.isFinite(elapsedMs) ? { elapsedMs } : {}),
  ...(usage ? { usage } : {}),
});

/** The last words of a record; `-`, or absent in one of an earlier wrapper, where there is nothing to say. */
export const besideOf = (left?: string, own?: string): Pick<RemoteEnd, 'ended' | 'ownExitCode'> => ({
  ...(left && /^\d{1,9}$/.test(left) ? { ended: Number(left) } : {}),
  ...(own && /^-?\d{1,9}$/.test(own) ? { ownExitCode: Number(own) } : {}),
});

/** A line of an event log: `uuid attempt WHAT code milliseconds [elapsed cpu peak]`; anything else is a torn write and gives null. */
export const parseEvent = (line: string): WrapperEvent | null => {
  const match =
    /^([0-9a-f-]{36}-007) (\d+) (START|END|REFUSED) (-|-?\d+) (\d+)(?: (\d+) (-|\d+) (-|\d+))?$/.exec(line);
  if (!match) return null;
  const [, uuid = '', attempt, what, code, ms, ran, cpu, peak] = match;
  const usage = ran === undefined ? undefined : usageOf(Number(ran), cpu, peak);
  return {
    uuid,
    attempt: Number(attempt),
    what: what as WrapperEvent['what'],
    exitCode: code === '-' ? null : Number(code),
    ...(usage ? { usage } : {}),
    hostMs: Number(ms),
  };
};

/**
 * Follows the event logs of all nodes in `$state/events`: the host's own with `tail -F` (inotify, half a millisecond),
 * those of other nodes by their size every second, because a shared file system tells nobody of a remote write.
 * Says FOLLOWING when it listens. Ends with its standard input.
 */
export const FOLLOWER = [
  'mkdir -p "$state/events" && cd "$state/events" || exit 73',
  'own="${HOSTNAME%%.*}.log"; : >> "$own"',
  // what is written from here on is told, however late the programs below begin
  'declare -A seen=(); sizes() { stat -c "%s %n" -- *.log 2>/dev/null; }',
  'while read -r size f; do seen[$f]=$size; done < <(sizes)',
  'others() {',
  '  local f size from',
  '  while sleep 1; do',
  '    while read -r size f; do',
  '      [ "$f" = "$own" ] && continue',
  '      from=${seen[$f]:-0} seen[$f]=$size',
  '      [ "$size" -gt "$from" ] && tail -c "+$((from + 1))" "$f" | head -c "$((size - from))"',
  '    done < <(sizes)',
  '  done',
  '}',
  'tail -c "+$((${seen[$own]:-0} + 1))" -F "$own" 2>/dev/null &',
  'tailing=$!',
  'others &',
  'polling=$!',
  'exec 3<&0; cat <&3 > /dev/null &',
  'listening=$!',
  "trap 'kill $tailing $polling $listening 2>/dev/null' EXIT",
  'echo FOLLOWING',
  'wait -n # whichever ends first: a channel that is deaf must not seem alive',
].join('\n');
