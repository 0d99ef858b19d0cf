import { Command } from 'commander';

import { up } from '../launcher/up.js';

const program = new Command('kilim').description('A durable job engine: the Tapis v3 Jobs API on Temporal');

program
  .command('up')
  .description('everything embedded, in the foreground: Temporal, worker, API')
  .option('--home <dir>', 'the folder of the installation (default: KILIM_HOME, then ~/.kilim)')
  .option('--port <number>', 'port of the API on loopback', Number)
  .option(
    '--seed <file>',
    'what a fresh home shall contain; may be given again',
    (file: string, files: string[]) => [...files, file],
    [] as string[],
  )
  .action(async ({ home, port, seed }: { home?: string; port?: number; seed: string[] }) => {
    const say = (text: string): void => void process.stderr.write(`${text}\n`);
    const kilim = await up({ home, port, seeds: seed, say });
    say(`Temporal UI: ${kilim.uiUrl ?? 'as configured'}`);
    process.stdout.write(`kilim ready at ${kilim.url}\n`);
    const stop = (): void => void kilim.stop().then(() => process.exit(0));
    process.once('SIGINT', stop);
    process.once('SIGTERM', stop);
  });

for (const name of ['api', 'worker'] as const) {
  program
    .command(name)
    .description(`the ${name} alone, configured by the environment`)
    .allowUnknownOption()
    .action(() => import(new URL(`../${name}/main.js`, import.meta.url).href));
}

program.parseAsync().catch((error: unknown) => {
  process.stderr.write(`kilim: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
});
