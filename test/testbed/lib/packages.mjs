import { chmodSync, existsSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { run, say } from './run.mjs';

const policy = '/usr/sbin/policy-rc.d';
let updated = false;

const onPath = (program) =>
  program.startsWith('/')
    ? existsSync(program)
    : [...process.env.PATH.split(delimiter), '/usr/sbin', '/sbin'].some((folder) =>
        existsSync(join(folder, program)),
      );

const apt = (...args) =>
  run('apt-get', ['-q', '-y', '-o', 'DPkg::Lock::Timeout=600', ...args], {
    log: 'apt',
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  });

/** Installs the Debian packages whose program is missing: `{ program: package }`. */
export async function needPrograms(wanted) {
  const missing = [
    ...new Set(
      Object.entries(wanted)
        .filter(([program]) => !onPath(program))
        .map(([, name]) => name),
    ),
  ];
  if (missing.length === 0) return;
  say(`installing ${missing.join(', ')} (a minute at most on a usual line)`);
  if (!updated) await apt('update');
  updated = true;
  // Debian starts a service on installation; ours run with own settings, on own ports.
  const guarded = !existsSync(policy);
  if (guarded) writeFileSync(policy, '#!/bin/sh\nexit 101\n');
  if (guarded) chmodSync(policy, 0o755);
  try {
    await apt('install', '--no-install-recommends', ...missing);
  } finally {
    if (guarded) rmSync(policy, { force: true });
  }
}
