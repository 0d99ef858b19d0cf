import { writeSync } from 'node:fs';

import { Command, InvalidArgumentError } from 'commander';

import { up } from '../launcher/up.js';

/**
 * Lines that could not be written to the standard error, because its disk is full or its reader is gone. The program
 * goes on.
 */
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
    'gives a user another password, which is read from the standard input, and ends all earlier tokens',
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
  .description('lets a disabled user log in again')
  .action(() => load('./maintenance.js'));

program
  .command('revoke-tokens')
  .argument('<user>')
  .description('ends all tokens and sessions of a user at once; a new log-in gives others')
  .action(() => load('./maintenance.js'));

program
  .command('rotate-signing-key')
  .option('--now', 'also ends all earlier tokens at once: for a key that others may know')
  .description('signs tokens with a new key; earlier tokens stay valid until they expire')
  .action(() => load('./maintenance.js'));

program
  .command('purge')
  .description(
    'removes for good what was deleted at least so many days ago: systems, applications, and ended jobs that were hidden',
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
  .option('--without-keys', 'writes the database alone, not sealed; keep the keys elsewhere')
  .option('--force', 'replaces a file that is there')
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
  .description(
    "marks a restore by PostgreSQL's own tools: workers then report what runs on hosts without a job",
  )
  .option(HOME, HOME_IS)
  .action(() => load('./maintenance.js'));

program
  .command('orphans')
  .argument('<deed>', 'list, adopt or end')
  .argument('[job]', 'the uuid of a job')
  .description(
    'lists, leaves alone (adopt) or ends what runs on hosts without a job in the store, as after a restore',
  )
  .option(HOME, HOME_IS)
  .option('--all', 'instead of one job: all jobs about which no decision was taken')
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
