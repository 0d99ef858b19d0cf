import { describe, expect, it } from 'vitest';

import type { Reply } from '../../domain/remote-command.js';
import type { Host } from '../../hosts/host.js';
import { runErrand } from '../../hosts/asked-for.js';
import { HANGING, withSshd } from '../support/an-sshd.js';
import { part } from '../support/testbed.js';

/* Hosts that do not answer: what waits for one fails with it, and what comes later fails without a try. */

const run = (host: Host, line: string, timeoutSeconds = 60): Promise<Reply> =>
  host.run({ line, timeoutSeconds, parse: (reply) => reply });

/** The codes of so many commands that fail, and in how many seconds all of them have. */
async function failing(
  n: number,
  command: () => Promise<Reply>,
): Promise<{ codes: string[]; seconds: number }> {
  const begin = performance.now();
  const ends = await Promise.allSettled(Array.from({ length: n }, command));
  const codes = ends.map((end) =>
    end.status === 'rejected' ? (end.reason as { code: string }).code : 'answered',
  );
  return { codes: [...new Set(codes)].sort(), seconds: (performance.now() - begin) / 1000 };
}

describe.runIf(part('vm-ssh') && process.getuid?.() === 0)('a host', () => {
  it.concurrent(
    'that does not answer a login fails a hundred commands at once, and serves them when it answers again',
    () =>
      withSshd({}, async ({ hosts, host, signal, port }) => {
        const there = await host();
        signal('SIGSTOP');
        const first = await failing(100, () => run(there, 'true'));
        expect(first.codes).toEqual(['HOST_TIMEOUT', 'HOST_UNREACHABLE']);
        // one login of ten seconds for all of them, where each eight had one
        expect(first.seconds).toBeLessThan(25);
        const later = await failing(100, () => run(there, 'true'));
        expect(later.codes).toEqual(['HOST_UNREACHABLE']);
        expect(later.seconds).toBeLessThan(1);
        signal('SIGCONT');
        const address = {
          tenant: 'dev',
          systemId: 'own',
          host: '127.0.0.1',
          port,
          loginUser: part('vm-ssh')?.user ?? '',
        };
        await hosts.probe(address);
        expect(await run(there, 'echo back')).toMatchObject({ stdout: 'back\n' });
      }),
    60_000,
  );

  it.concurrent(
    'whose commands hang fails the waiting ones with the first, and lets other logins at its address in',
    () =>
      withSshd(HANGING, async ({ host }) => {
        const there = await host();
        const first = await failing(60, () => run(there, 'true', 5));
        expect(first.codes).toEqual(['HOST_TIMEOUT', 'HOST_UNREACHABLE']);
        // a shell and a single command are tried for fifteen seconds each; four channels of five seconds were the rest
        expect(first.seconds).toBeLessThan(50);
        expect((await failing(60, () => run(there, 'true', 5))).seconds).toBeLessThan(1);
        // another account at the same address may work
        const other = await failing(1, async () => run(await host('other'), 'true', 5));
        expect(other.codes).toEqual(['HOST_TIMEOUT']);
      }),
    120_000,
  );

  it.concurrent(
    "serves another user's command in turn with those of a crowd",
    () =>
      withSshd({}, async ({ host }) => {
        const there = await host();
        const order: string[] = [];
        const send = (user: string, n: number): Promise<unknown>[] =>
          Array.from({ length: n }, () =>
            runErrand({ user }, () => run(there, 'sleep 0.1').then(() => order.push(user))),
          );
        await Promise.all([...send('alice', 60), ...send('bob', 3)]);
        expect(order.lastIndexOf('bob')).toBeLessThan(25);
      }),
    60_000,
  );
});
