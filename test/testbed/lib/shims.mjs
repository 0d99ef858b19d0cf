import { chmodSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { repository } from './settings.mjs';

const commands = ['sbatch', 'squeue', 'sacct', 'scontrol', 'scancel'];

const program = (name) => ({
  text: readFileSync(join(repository, 'test/testbed/shims', name), 'utf8'),
  mode: 0o755,
});

/** The wrappers, by their path inside a cluster: /usr/local/bin stands before /usr/bin in everybody's PATH. */
export const shimFiles = () => ({
  '/usr/local/bin/module': program('module'),
  ...Object.fromEntries(commands.map((name) => [`/usr/local/bin/${name}`, program('slurm-command')])),
});

/** Ends all misbehaviour, of one command or of all. */
export function clearShims(folder, command) {
  mkdirSync(folder, { recursive: true });
  chmodSync(folder, 0o777); // users take tickets out of it
  for (const file of readdirSync(folder)) {
    if (!command || file === command || file.startsWith(`${command}.`) || file.startsWith('stale.'))
      rmSync(join(folder, file));
  }
}

/** From now on the command misbehaves: always, or only the next `times` calls. */
export function setShim(folder, command, order, times) {
  if (!commands.includes(command))
    throw new Error(`there is no shim for ${command}; there are: ${commands.join(', ')}`);
  clearShims(folder, command);
  if (!times) return writeFileSync(join(folder, command), order);
  for (let number = 1; number <= times; number++)
    writeFileSync(join(folder, `${command}.ticket.${number}`), order);
}
