import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';

import { describe, expect, it, vi } from 'vitest';

import type { Reply } from '../../domain/remote-command.js';
import type { Host, RemoteStream } from '../../hosts/host.js';
import { runTogether } from '../../hosts/run-together.js';
import { processTable } from '../../schedulers/process-table.js';
import { aPlan } from '../support/a-plan.js';
import { atHome, count, sessionsPerConnection, withSshd } from '../support/an-sshd.js';
import { part } from '../support/testbed.js';

/* Hosts that give little: a real sshd for each test, configured against us. */

const run = (host: Host, line: string, timeoutSeconds = 60): Promise<Reply> =>
  host.run({ line, timeoutSeconds, parse: (reply) => reply });
const each = <T>(n: number, make: (i: number) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: n }, (_, i) => make(i)));
const said = (i: number): Reply => ({ stdout: `${i}\n`, stderr: `e${i}\n`, exitCode: i });
const saying = (i: number, seconds: number): string =>
  `sleep ${seconds}; echo ${i}; echo e${i} >&2; exit ${i}`;

/** After a command that was not answered nothing is sent for as long as that took. */
const untilAnswered = (host: Host): Promise<Reply> => vi.waitFor(() => run(host, 'true'), 20_000);

/** One that stays open until its input ends. */
async function anOpenStream(host: Host): Promise<RemoteStream> {
  const stream = await host.stream('echo open; cat');
  await once(stream.stdout, 'readable');
  expect(String(stream.stdout.read())).toBe('open\n');
  return stream;
}
async function endOf({ stdin, stdout, done }: RemoteStream): Promise<void> {
  let rest = '';
  stdout.on('data', (chunk: Buffer) => (rest += chunk.toString()));
  stdin.end('the end');
  expect(await done).toMatchObject({ exitCode: 0 });
  expect(rest).toBe('the end');
}

describe.runIf(part('vm-ssh') && process.getuid?.() === 0)('an sshd', () => {
  it.concurrent.each([1, 2, 3])(
    'with MaxSessions %i answers thirty commands at once, beside four streams held open',
    (limit) =>
      withSshd({ settings: [`MaxSessions ${limit}`] }, async ({ hosts, host, log }) => {
        const there = await host();
        const streams = await each(4, () => anOpenStream(there));
        expect(await each(30, (i) => run(there, saying(i, 0.2)))).toEqual(
          Array.from({ length: 30 }, (_, i) => said(i)),
        );
        await Promise.all(streams.map(endOf));
        expect(Math.max(...sessionsPerConnection(log()))).toBeLessThanOrEqual(limit);
        // no more connections than it takes, and few questions that are refused
        expect(hosts.sessions()).toBeLessThanOrEqual(Math.ceil(8 / limit));
        expect(count(log(), /no more sessions/g)).toBeLessThan(20);
      }),
    60_000,
  );

  it.concurrent(
    'that gives one session in all serves thirty commands and a stream in turn, however long it takes',
    () =>
      withSshd({ settings: ['MaxSessions 1'], limits: { connections: 1 } }, async ({ hosts, host }) => {
        const there = await host();
        const finished: number[] = [];
        const all = each(30, async (i) => {
          const reply = await run(there, saying(i, 0.5));
          finished.push(i);
          return reply;
        });
        const stream = anOpenStream(there);
        expect(await all).toEqual(Array.from({ length: 30 }, (_, i) => said(i)));
        // who came first does not wait for those at the gate behind him
        expect(Math.max(...[0, 1, 2, 3].map((i) => finished.indexOf(i)))).toBeLessThan(10);
        await endOf(await stream);
        expect(await run(there, saying(1, 0))).toEqual(said(1));
        expect(hosts.sessions()).toBe(1);
      }),
    60_000,
  );

  it.concurrent(
    'that drops whoever logs in beside another lets in twenty-four at once, one by one',
    () =>
      withSshd({ settings: ['MaxStartups 1:100:1'] }, async ({ hosts, host, log }) => {
        const replies = await each(24, async (i) => run(await host(`system-${i}`), saying(i, 0)));
        expect(replies).toEqual(Array.from({ length: 24 }, (_, i) => said(i)));
        expect(hosts.sessions()).toBe(24);
        const dropped = count(log(), /drop connection/g);
        expect(dropped).toBeGreaterThan(0);
        expect(dropped).toBeLessThanOrEqual(48);
      }),
    60_000,
  );

  it.concurrent(
    'is left when nothing was asked for a while, and logged in to again with the next command',
    () =>
      withSshd({ limits: { idleMs: 400 } }, async ({ hosts, host, pids, log }) => {
        const there = await host();
        expect(await run(there, saying(1, 0))).toEqual(said(1));
        const stream = await anOpenStream(there);
        await sleep(1000);
        expect(hosts.sessions()).toBe(1); // a stream is used even where nothing is said on it
        await endOf(stream);
        await vi.waitFor(() => expect(hosts.sessions()).toBe(0), 5000);
        await vi.waitFor(() => expect(pids()).toHaveLength(1), 5000);
        expect(await each(5, (i) => run(there, saying(i, 0)))).toEqual([0, 1, 2, 3, 4].map(said));
        expect(hosts.sessions()).toBe(1);
        expect(count(log(), /Accepted publickey/g)).toBe(2);
      }),
    30_000,
  );

  it.concurrent(
    'that is frozen lets no command hang; thawed, it serves the same program',
    () =>
      withSshd({}, async ({ host, signal }) => {
        const there = await host();
        await run(there, 'true');
        const begin = Date.now();
        const running = run(there, 'sleep 55', 300).catch((error: unknown) => error);
        const stream = await anOpenStream(there);
        stream.stdout.resume(); // a stream that nobody reads never ends
        const streaming = stream.done.catch((error: unknown) => error);
        signal('SIGSTOP');
        const asked = run(there, 'true', 300).catch((error: unknown) => error);
        try {
          expect(await running).toMatchObject({ code: 'OUTCOME_UNKNOWN' });
          expect(await streaming).toMatchObject({ code: 'OUTCOME_UNKNOWN' });
          expect(await asked).toMatchObject({
            code: expect.stringMatching(/OUTCOME_UNKNOWN|HOST_/) as string,
          });
          expect(Date.now() - begin).toBeLessThan(50_000);
          await expect(run(there, 'true')).rejects.toMatchObject({ code: 'HOST_TIMEOUT' });
        } finally {
          signal('SIGCONT');
        }
        await untilAnswered(there);
        expect(await run(there, saying(3, 0))).toEqual(said(3));
        await endOf(await anOpenStream(there));
      }),
    90_000,
  );

  it.concurrent(
    'whose start-up files read to the end runs single commands; one that is to be told something fails',
    () =>
      withSshd(atHome('cat > /dev/null'), async ({ host }) => {
        const there = await host();
        expect(await run(there, saying(3, 0))).toEqual(said(3)); // after 15 s
        const told = {
          line: 'wc -c',
          stdin: Buffer.from([0]),
          timeoutSeconds: 3,
          parse: (reply: Reply) => reply,
        };
        await expect(there.run(told)).rejects.toMatchObject({ code: 'HOST_TIMEOUT' });
        await untilAnswered(there);
        expect(await run(there, saying(4, 0))).toEqual(said(4));
      }),
    60_000,
  );

  it.concurrent(
    'gets twenty launches of the same moment as a few scripts, and starts each once',
    () =>
      withSshd({}, async ({ hosts, host }) => {
        const there = await host();
        const here = (await run(there, 'mktemp -d')).stdout.trim();
        const installation = `limits${process.pid}`;
        const plans = Array.from({ length: 20 }, (_, i) => {
          const execDir = `${here}/${i}`;
          const uuid = `00000000-0000-4000-8000-${String(i).padStart(12, '0')}-007`;
          return aPlan({ uuid, paths: { rootDir: '/', execDir, inputDir: execDir, outputDir: execDir } });
        });
        for (const plan of plans)
          await there.run({
            line: `mkdir -p ${plan.paths.execDir} && cat > ${plan.paths.execDir}/tapisjob.sh`,
            stdin: processTable.script(plan, { before: [], run: 'echo x >> ran', after: [] }, installation),
            parse: ({ exitCode }) => expect(exitCode).toBe(0),
          });
        try {
          const before = hosts.commands();
          const all = await Promise.all(
            plans.map((plan) => runTogether(there, processTable.launch(plan, installation))),
          );
          expect(all.map(({ adopted }) => adopted)).toEqual(plans.map(() => false));
          expect(new Set(all.map(({ remoteJobId }) => remoteJobId)).size).toBe(20);
          expect(hosts.commands() - before).toBeLessThanOrEqual(5);
          await vi.waitFor(
            async () => expect((await run(there, `cat ${here}/*/ran | wc -l`)).stdout.trim()).toBe('20'),
            { timeout: 15_000, interval: 300 },
          );
        } finally {
          await run(there, `rm -rf ${here} ~/.kilim/${installation}`);
        }
      }),
    60_000,
  );
});
