import { writeSync } from 'node:fs';

import { Command, InvalidArgumentError } from 'commander';

import { up } from '../launcher/up.js';

/** Lines that the standard error did not take: its disk is full, or its reader is gone. That ends nothing. */
let dropped = 0;
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);

function say(text: string): void {
  const before = dropped > 0 ? `[kilim] ${dropped} lines before this one could not be written.\n` : '';
  try {
    writeSync(2, `${before}[kilim] ${text}\n`);
    dropped = 0;
  } catch {
    dropped++;
  }
}

const port = (text: string): number => {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1 || number > 65_535)
    throw new InvalidArgumentError('A port is a number from 1 to 65535.');
  return number;
};
const another = (file: string, files: string[]): string[] => [...files, file];

const program = new Command('kilim')
  .description('A durable job engine: the Tapis v3 Jobs API on Temporal')
  .showHelpAfterError();

program
  .command('up')
  .description('everything embedded, in the foreground: Temporal, API, worker')
  .option('--home <dir>', 'the folder of the installation (default: KILIM_HOME, then ~/.kilim)')
  .option(
    '--port <number>',
    'port of the API on loopback (default: the last one, 8080 at first; another where that is taken)',
    port,
  )
  .option(
    '--seed <file>',
    'what there shall be: users, systems, applications; may be given again',
    another,
    [] as string[],
  )
  .action(runUp);

program
  .command('api')
  .description('the API alone, configured by the environment; SIGTERM drains')
  .option('--migrate', 'first brings an older schema of the store up to date, where there is one API only')
  .option('--seed <file>', 'as for up', another, [] as string[])
  .action(() => load('../api/main.js'));

program
  .command('worker')
  .description('the worker alone, configured by the environment; SIGTERM drains')
  .action(() => load('../worker/main.js'));

program
  .command('migrate')
  .description(
    "brings the store's schema and Temporal's search attributes to this version; before a new version starts",
  )
  .action(() => load('./maintenance.js'));

program
  .command('rotate-keys')
  .description(
    'seals every secret of the store with the first key of KILIM_MASTER_KEY_FILE; then later ones can be removed',
  )
  .action(() => load('./maintenance.js'));

program
  .command('set-password')
  .argument('<user>')
  .description(
    'gives a user another password, which is read from the standard input, and ends all tokens of before',
  )
  .action(() => load('./maintenance.js'));

program
  .command('disable-user')
  .argument('<user>')
  .description('ends all tokens of a user at once, and every log-in until enable-user; running jobs go on')
  .action(() => load('./maintenance.js'));

program
  .command('enable-user')
  .argument('<user>')
  .description('lets a user log in again who was disabled')
  .action(() => load('./maintenance.js'));

program
  .command('revoke-tokens')
  .argument('<user>')
  .description('ends all tokens and sessions of a user at once; a new log-in gives others')
  .action(() => load('./maintenance.js'));

program
  .command('rotate-signing-key')
  .option('--now', 'ends all tokens of before at once: for a key that others may know')
  .description('signs tokens with a new key; those of before count until they expire')
  .action(() => load('./maintenance.js'));

program
  .command('purge')
  .description(
    'removes for good what was deleted, or hidden in the case of ended jobs, at least so many days ago',
  )
  .requiredOption('--days <number>', 'what was deleted later than that stays')
  .action(() => load('./maintenance.js'));

const HOME = '--home <dir>';
const HOME_IS = 'the folder of the installation (default: KILIM_HOME, then ~/.kilim)';

program
  .command('backup')
  .argument('<file>')
  .description(
    'writes database and keys into one file while everything runs, sealed by a passphrase from the standard input',
  )
  .option(HOME, HOME_IS)
  .option('--without-keys', 'the database alone, not sealed: the keys are kept apart')
  .option('--force', 'writes over a file that is there')
  .action(() => load('./maintenance.js'));

program
  .command('restore')
  .argument('<file>')
  .description('puts a backup into an empty home; its passphrase comes from the standard input')
  .option(HOME, HOME_IS)
  .option('--keys <file>', 'the keys, for a backup that was made without them')
  .action(() => load('./maintenance.js'));

program
  .command('restored')
  .description("after PostgreSQL's own restore: workers report what runs on hosts and has no job")
  .option(HOME, HOME_IS)
  .action(() => load('./maintenance.js'));

program
  .command('orphans')
  .argument('<deed>', 'list, adopt or end')
  .argument('[job]', 'the uuid of a job')
  .description(
    'what runs on hosts and has no job in the store, as after a restore: shows it, leaves it alone, ends it',
  )
  .option(HOME, HOME_IS)
  .option('--all', 'instead of one job: all about which nothing was decided')
  .action(() => load('./maintenance.js'));

/** The programs read their own command line and environment. */
const load = async (file: string): Promise<void> => void (await import(new URL(file, import.meta.url).href));

async function runUp({
  home,
  port: wanted,
  seed,
}: {
  home?: string;
  port?: number;
  seed: string[];
}): Promise<void> {
  const started = up({ home, port: wanted, seeds: seed, say });
  let isEnding = false;
  const end = (): void => {
    if (isEnding) process.exit(130); // asked twice: the guards end the children
    isEnding = true;
    say('Stopping …');
    started.then((kilim) => kilim.stop()).then(() => process.exit(0), () => process.exit(1)); // prettier-ignore
  };
  process.on('SIGINT', end);
  process.on('SIGTERM', end);
  const kilim = await started;
  if (isEnding) return;
  say(`Temporal UI: ${kilim.uiUrl ?? 'that of TEMPORAL_ADDRESS'}; home: ${kilim.home.dir}`);
  say(`Metrics: ${kilim.url}/metrics and http://127.0.0.1:${kilim.home.metricsPort}/metrics`);
  process.stdout.write(`kilim ready at ${kilim.url}\n`);
}

program.parseAsync().catch((error: unknown) => {
  say(error instanceof Error ? error.message : String(error));
  process.exit(1);
});
