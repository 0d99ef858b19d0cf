#!/usr/bin/env node
// npm run testbed -- up|status|down [part…]
import { accessSync, constants, existsSync, mkdirSync } from 'node:fs';
import { living } from './lib/processes.mjs';
import { mountsBelow } from './lib/mounts.mjs';
import { withLock } from './lib/lock.mjs';
import { say } from './lib/run.mjs';
import { at, base } from './lib/settings.mjs';
import { named, parts } from './parts/index.mjs';
import { seedFile, writeSeed } from './seed.mjs';

/** A bed of somebody else is none: its keys cannot be read. */
function isOurs() {
  try {
    if (existsSync(at())) accessSync(at('keys'), constants.R_OK | constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

async function statusOfAll() {
  const all = {};
  for (const part of parts) {
    if (!isOurs()) all[part.name] = { state: 'absent', why: `${base} belongs to another account` };
    else all[part.name] = await part.status().catch((error) => ({ state: 'absent', why: error.message }));
  }
  return all;
}

async function print() {
  const status = await statusOfAll();
  const report = { dir: base, seedFile: existsSync(seedFile) ? seedFile : null, parts: status };
  process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
}

async function up(wanted) {
  if (process.getuid() !== 0)
    throw new Error('up needs root: it installs Debian packages and makes accounts');
  mkdirSync(at(), { recursive: true, mode: 0o755 });
  mkdirSync(at('keys'), { recursive: true, mode: 0o700 });
  await withLock(async () => {
    for (const part of wanted) await part.up();
    writeSeed(await statusOfAll());
  });
  await print();
}

async function down(wanted) {
  await withLock(async () => {
    for (const part of [...wanted].reverse()) await part.down();
    if (wanted.length < parts.length) return;
    const left = [...parts.filter(({ name }) => living(name)).map(({ name }) => name), ...mountsBelow(base)];
    if (left.length > 0) throw new Error(`still there after down: ${left.join(', ')}`);
    say('all processes are ended and all mounts undone; what was prepared stays for the next time');
  });
}

const [command, ...words] = process.argv.slice(2);
try {
  if (command === 'up') await up(named(words));
  else if (command === 'down') await down(named(words));
  else if (command === 'status') await print();
  else throw new Error('use: npm run testbed -- up|status|down [part…]');
} catch (error) {
  say(error.message);
  process.exitCode = 1;
}
