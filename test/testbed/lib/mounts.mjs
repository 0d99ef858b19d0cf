import { readFileSync } from 'node:fs';
import { run } from './run.mjs';

/** What is mounted at or below a folder, deepest first. */
export const mountsBelow = (folder) =>
  readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[4]?.replaceAll('\\040', ' '))
    .filter((place) => place === folder || place?.startsWith(`${folder}/`))
    .reverse();

export async function unmountBelow(folder) {
  for (const place of mountsBelow(folder)) await run('umount', ['-l', place], { mayFail: true });
}
