import { createHash } from 'node:crypto';
import { Transform } from 'node:stream';

import { KilimError } from '../domain/errors.js';
import type { Reply } from '../domain/remote-command.js';
import { enteringFolder, IN_THE_WAY, privateName } from './enter.js';
import type { Host } from './host.js';
import { join } from './join.js';
import { absolute, fileFault, opening, rooted, type Root } from './rooted.js';

export interface BigFile {
  from: Host;
  fromRoot: Root;
  fromPath: string;
  to: Host;
  toRoot: Root;
  toPath: string;
  signal: AbortSignal;
  onProgress: (bytes: number, files: number) => void;
  size: number;
  /** Seconds since 1970. */
  modified: number;
  /** Octal, as chmod takes it. */
  mode: string;
}

const SUMMING_SECONDS = 3600;

/** openssl uses what the processor has for it: nine times as fast as Debian's sha256sum. */
const SUM =
  'sum256() { if command -v openssl > /dev/null; then openssl dgst -sha256 -r; else sha256sum; fi | cut -c 1-64; }';

/**
 * Copies one big file as a stream whose SHA-256 both ends compute as it passes. What arrived before a link
 * broke stays under a name that says which version of which file it is, and the next call goes on from there.
 * @throws KilimError TRANSFER_FAILED where the sums differ; what the ends say
 */
export async function copyBigFile(file: BigFile): Promise<void> {
  const { from, to, fromPath, toPath, size, signal } = file;
  const identity = [from.name, absolute(file.fromRoot, fromPath), toPath, size, file.modified].join('\n');
  const kept = privateName(`part-${createHash('sha256').update(identity).digest('hex').slice(0, 24)}`);
  const there = [...enteringFolder(file.toRoot, toPath), ...inKept(kept)];
  const here = [...rooted(file.fromRoot, fromPath), opening];
  const ask = (host: Host, lines: string[], path: string): Promise<string> =>
    host.run(
      { line: lines.join('\n'), timeoutSeconds: SUMMING_SECONDS, parse: (reply) => said(reply, path) },
      { signal },
    );

  const prepare = ['if [ -f ./part ]; then stat -c %s ./part; else echo 0; fi'];
  let offset = Number(await ask(to, [...there, ...prepare], toPath));
  if (offset > 0) {
    const head = (file: string): string => `${SUM}\nhead -c ${offset} ${file} | sum256`;
    const sums = await Promise.all([
      ask(from, [...here, head('')], fromPath),
      ask(to, [...there, head('./part')], toPath),
    ]);
    if (offset > size || sums[0] !== sums[1]) {
      await ask(to, [...there, 'rm -f ./part'], toPath);
      offset = 0;
    }
  }

  const ends = await join(
    {
      host: from,
      path: fromPath,
      script: [...here, ...summing(`tail -c +${offset + 1} |`, '')].join('\n'),
    },
    { host: to, path: toPath, script: [...there, ...summing('', '>> ./part')].join('\n') },
    counting(offset, file.onProgress),
    signal,
  );
  const sent = sumIn(ends.source.stderr);
  const drop = 'rm -f ./part; cd ..; rmdir -- "./$kept"; echo differs';
  const finish = [
    `[ "$(stat -c %s ./part)" = ${size} ] || { ${drop}; exit 0; }`,
    `chmod ${file.mode} ./part; touch -d @${file.modified} ./part; mv -fT -- ./part "../$name" || exit`,
    'cd .. && rmdir -- "./$kept"',
  ];
  const isSame = sent !== null && sent === sumIn(ends.target.stderr);
  const verdict = await ask(to, [...there, ...(isSame ? finish : [drop])], toPath);
  if (verdict !== '')
    throw new KilimError(
      'TRANSFER_FAILED',
      `${fromPath} arrived changed or changed meanwhile; it was dropped.`,
    );
  file.onProgress(size, 1);
}

/** Lines that enter the directory which keeps the part of a file that has come: this account's own, and not a link. */
const inKept = (kept: string): string[] => [
  IN_THE_WAY,
  `kept=${kept}; [ -d "./$kept" ] || mkdir -m 700 -- "./$kept" || exit`,
  'into "$kept"; [ -O . ] || { echo "$kept is of another account" >&2; exit 1; }',
  '[ ! -L ./part ] || rm -f ./part',
];

const said = (reply: Reply, path: string): string => {
  if (reply.exitCode !== 0) throw fileFault(reply, path);
  return reply.stdout.trim();
};

/** Passes bytes on and says their SHA-256 on stderr. Not `tee /dev/fd/1`: that cannot be opened where it is a socket. */
const summing = (before: string, after: string): string[] => [
  SUM,
  'exec 4> >(sum256 >&2); sum=$!',
  `${before} tee /dev/fd/4 ${after}; codes=("\${PIPESTATUS[@]}")`,
  'exec 4>&-; wait "$sum"',
  'for code in "${codes[@]}"; do [ "$code" = 0 ] || exit "$code"; done',
];

const sumIn = (stderr: string): string | null => /^([0-9a-f]{64})\s*$/m.exec(stderr)?.[1] ?? null;

export const counting = (already: number, onProgress: (bytes: number, files: number) => void): Transform => {
  let bytes = already;
  return new Transform({
    highWaterMark: 1024 * 1024,
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      onProgress(bytes, 0);
      done(null, chunk);
    },
  });
};
