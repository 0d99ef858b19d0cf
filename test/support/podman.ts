import { execFileSync } from 'node:child_process';

import { part } from './testbed.js';

/** Lines of the test bed's Podman, as the account of vm-ssh has it after a login. */
export function podman(...words: string[]): string[] {
  const { user = '', home = '' } = part('vm-ssh') ?? {};
  const asUser = ['-u', user, '--', 'env', '-i', `HOME=${home}`, `PATH=${process.env['PATH'] ?? ''}`];
  return execFileSync('runuser', [...asUser, 'podman', '--log-level=error', ...words], {
    cwd: '/',
    encoding: 'utf8',
  })
    .split('\n')
    .filter(Boolean);
}
