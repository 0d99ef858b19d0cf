#!/usr/bin/env node
// What fault tests do to single parts; as a module, or: node test/testbed/control.mjs stop|start PART
import { pathToFileURL } from 'node:url';
import { parts } from './parts/index.mjs';

const find = (name) => {
  const part = parts.find((candidate) => candidate.name === name && candidate.stop);
  if (!part) throw new Error(`no part ${name} that can be stopped; there are: ${parts.map((each) => each.name).join(', ')}`);
  return part;
};

/** Ends a part as if it had died; for an sshd: the listener and its connections, what they started goes on. */
export const stop = (name) => find(name).stop();

/** Starts a stopped part again, on the same port with the same keys. */
export const start = (name) => find(name).start();

async function main([command, ...words]) {
  if (command === 'stop') return stop(words[0]);
  if (command === 'start') return start(words[0]);
  throw new Error('use: node test/testbed/control.mjs stop|start PART');
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  main(process.argv.slice(2)).catch((error) => {
    process.stderr.write(`testbed: ${error.message}\n`);
    process.exitCode = 1;
  });
}
