#!/usr/bin/env node
// What fault tests do to single parts; as a module, or as a command: see `usage`.
import { pathToFileURL } from 'node:url';
import { clearShims, setShim } from './lib/shims.mjs';
import { living } from './lib/processes.mjs';
import { parts } from './parts/index.mjs';

const usage = `use: node test/testbed/control.mjs
  stop|start|kill|freeze|thaw PART               vm-ssh, store-ssh, docker, postgres, hpc-slurm:slurmctld, hpc-noacct:sshd, …
  shim [--cluster NAME] [--times N] COMMAND ORDER…   sbatch submit-then-hang 30 | squeue stale | sacct disabled | … ; ORDER off ends it
  shim [--cluster NAME] off                      ends all orders`;

/** `vm-ssh`, or a daemon of a cluster: `hpc-slurm:slurmctld`. */
function find(word) {
  const [name, daemon] = word.split(':');
  const part = parts.find((candidate) => candidate.name === name);
  if (part?.daemons && part.daemons.includes(daemon)) {
    return {
      process: `${name}-${daemon}`,
      stop: () => part.stopDaemon(daemon),
      start: () => part.startDaemon(daemon),
    };
  }
  if (part?.stop && !daemon) return { process: name, stop: () => part.stop(), start: () => part.start() };
  const names = parts.flatMap((each) => each.daemons?.map((key) => `${each.name}:${key}`) ?? [each.name]);
  throw new Error(`nothing here is called ${word}; there are: ${names.join(', ')}`);
}

const signal = (word, name) => {
  const pid = living(find(word).process);
  if (!pid) throw new Error(`${word} is not running`);
  process.kill(pid, name);
};

/** Ends a part; an sshd dies with all its connections, and what these had started goes on. */
export const stop = (word) => find(word).stop();

/** Starts it again, on the same port with the same keys. */
export const start = (word) => find(word).start();

/** Ends a single process without a chance to say goodbye. */
export const kill = (word) => signal(word, 'SIGKILL');

/** It accepts connections and answers late, that is after `thaw`. */
export const freeze = (word) => signal(word, 'SIGSTOP');
export const thaw = (word) => signal(word, 'SIGCONT');

const shimsOf = (cluster) => {
  const part = parts.find(({ name, shims }) => name === cluster && shims);
  if (!part) throw new Error(`no cluster is called ${cluster}`);
  return part.shims;
};

/**
 * Makes a Slurm command of a cluster's users misbehave until `unshim`, or for the next `times` calls.
 * Orders: sbatch `submit-then-hang SECONDS`, `submit-then-exit-1`, `rubbish`, `lose-reply`; squeue `stale`; sacct `disabled`;
 * any of sbatch, squeue, sacct, scontrol, scancel: `empty`, `fail`, `slow SECONDS`.
 */
export const shim = (command, order, { cluster = 'hpc-slurm', times } = {}) =>
  setShim(shimsOf(cluster), command, order, times);

export const unshim = (command, { cluster = 'hpc-slurm' } = {}) => clearShims(shimsOf(cluster), command);

function shimCommand(words) {
  const options = {};
  while (words[0]?.startsWith('--')) {
    const [option, value] = words.splice(0, 2);
    if (option === '--cluster') options.cluster = value;
    else if (option === '--times' && Number(value) > 0) options.times = Number(value);
    else throw new Error(usage);
  }
  const [command, ...order] = words;
  if (command === 'off') return unshim(undefined, options);
  if (!command || order.length === 0) throw new Error(usage);
  return order[0] === 'off' ? unshim(command, options) : shim(command, order.join(' '), options);
}

async function main([command, ...words]) {
  const simple = { stop, start, kill, freeze, thaw }[command];
  if (simple && words.length === 1) return simple(words[0]);
  if (command === 'shim') return shimCommand(words);
  throw new Error(usage);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  main(process.argv.slice(2)).catch((error) => {
    process.stderr.write(`testbed: ${error.message}\n`);
    process.exitCode = 1;
  });
}
