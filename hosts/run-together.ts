import { randomBytes } from 'node:crypto';

import { KilimError } from '../domain/errors.js';
import { MAX_REPLY_BYTES, type RemoteCommand, type Reply } from '../domain/remote-command.js';
import { quote } from '../domain/shell.js';
import { createTurns, type Turns } from '../domain/turns.js';
import { askedFor, runErrand } from './asked-for.js';
import { STDERR_BYTES } from './collect.js';
import type { Host } from './host.js';
import { WITH_BASH_ENV, WITHOUT_BASH_ENV } from './shell-channel.js';

/** Commands of one script run at once, each in a shell of its own. */
const PER_SCRIPT = 8;
const SCRIPTS_UNDER_WAY = 2;

interface Waiting {
  command: RemoteCommand<unknown>;
  resolve: (reply: Reply) => void;
  reject: (error: unknown) => void;
}

interface Line {
  waiting: Turns<Waiting>;
  underWay: number;
}

const SHARED = { user: '' };
const lines = new WeakMap<Host, Line>();

/**
 * Runs a command, together with the others that came for the same host while scripts were under way: a single one goes
 * at once, many travel in few scripts, and the users' commands are taken in turn. Each keeps its own outcome. For commands
 * without stdin.
 */
export async function runTogether<T>(host: Host, command: RemoteCommand<T>): Promise<T> {
  let line = lines.get(host);
  if (!line) lines.set(host, (line = { waiting: createTurns(), underWay: 0 }));
  const mine = line;
  const reply = await new Promise<Reply>((resolve, reject) => {
    mine.waiting.add(askedFor(), { command, resolve, reject });
    go(host, mine);
  });
  return command.parse(reply);
}

function go(host: Host, line: Line): void {
  while (line.underWay < SCRIPTS_UNDER_WAY && line.waiting.size() > 0) {
    const batch = Array.from({ length: PER_SCRIPT }, () => line.waiting.take()).filter(
      (one) => one !== undefined,
    );
    line.underWay++;
    // a script serves several users, so that it takes no single user's turn at the host's gate
    const sent = runErrand(SHARED, () => (batch.length === 1 ? alone(host, batch) : together(host, batch)));
    void sent
      .then(
        (replies) => batch.forEach(({ resolve, reject }, index) => {
          const reply = replies[index];
          if (reply) resolve(reply);
          else reject(new KilimError('OUTCOME_UNKNOWN', `${host.name} gave no answer to one of several commands.`));
        }),
        (error: unknown) => batch.forEach(({ reject }) => reject(error)),
      )
      .finally(() => {
        line.underWay--;
        go(host, line);
      }); // prettier-ignore
  }
}

const alone = async (host: Host, batch: readonly Waiting[]): Promise<(Reply | undefined)[]> =>
  Promise.all(batch.map(({ command }) => host.run({ ...command, parse: (reply) => reply })));

/** A host without room for the answers of several gives them one by one. */
const NO_ROOM = 73;

async function together(host: Host, batch: readonly Waiting[]): Promise<(Reply | undefined)[]> {
  const mark = `kilim-${randomBytes(8).toString('hex')}`;
  const replies = await host.run({
    line: [
      `all=$(mktemp -d) || exit ${NO_ROOM}; trap 'rm -rf "$all"' EXIT`,
      ...batch.map(
        ({ command }, index) =>
          `{ ${WITHOUT_BASH_ENV} ${quote(WITH_BASH_ENV + command.line)} > "$all/${index}.out" 2> "$all/${index}.err" < /dev/null; echo $? > "$all/${index}.code"; } &`,
      ),
      'wait',
      `for n in ${batch.map((_, index) => index).join(' ')}; do`,
      `  read -r code < "$all/$n.code"; printf '\\n${mark} %s %s\\n' "$n" "$code"; cat "$all/$n.out"; printf '\\n${mark}\\n'; cat "$all/$n.err"`,
      'done',
    ].join('\n'),
    timeoutSeconds: Math.max(...batch.map(({ command }) => command.timeoutSeconds ?? 60)),
    maxReplyBytes: batch.reduce(
      (sum, { command }) => sum + (command.maxReplyBytes ?? MAX_REPLY_BYTES) + STDERR_BYTES,
      0,
    ),
    parse: (reply) => (reply.exitCode === NO_ROOM ? null : separate(reply, mark, batch.length)),
  });
  return replies ?? alone(host, batch);
}

function separate({ stdout, stderr, exitCode }: Reply, mark: string, count: number): (Reply | undefined)[] {
  if (exitCode !== 0)
    throw new KilimError('REMOTE_COMMAND_FAILED', `Several commands could not be run at once: ${stderr}`);
  const replies = new Array<Reply | undefined>(count).fill(undefined);
  for (const part of stdout.split(`\n${mark} `).slice(1)) {
    const [, index, code, text = ''] = /^(\d+) (\d+)\n([\s\S]*)$/.exec(part) ?? [];
    const [out = '', err = ''] = text.split(`\n${mark}\n`);
    if (index !== undefined) replies[Number(index)] = { stdout: out, stderr: err, exitCode: Number(code) };
  }
  return replies;
}
