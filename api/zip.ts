import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setImmediate as nextTurn } from 'node:timers/promises';

import tar, { type Extract, type ExtractEvents, type Header } from 'tar-stream';

import { KilimError } from '../domain/errors.js';
import { shownPath } from '../domain/files/odd-names.js';
import { withoutEndSlashes } from '../domain/files/path.js';
import type { Host, RemoteStream } from '../hosts/host.js';
import { isHarmless } from '../hosts/join.js';
import { contentsOfLinks, LINK_FAULTS, linkFaults, type LinkFault } from '../hosts/link-contents.js';
import { bytesOf, textOf } from '../hosts/odd-bytes.js';
import { tarOf } from '../hosts/read-files.js';
import { fileFault, type Root } from '../hosts/rooted.js';
import { tarMeter } from '../hosts/tar-meter.js';
import { createZip, type ZipWriter } from './zip-writer.js';

/** A zip ends with a list of its entries, which stays in memory until then and takes some hundred bytes per entry. */
const MAX_ENTRIES = 100_000;
const MAX_NAME_BYTES = 65_535;
/** After so many milliseconds of work the event loop is given to other requests. */
const TURN_MS = 10;

/** Its types do not name this option: a name of bytes would come with U+FFFD in it. */
const BYTES: Parameters<typeof tar.extract>[0] & { filenameEncoding: string } = {
  filenameEncoding: 'latin1',
};

/** What goes into one zip. Names are strings of latin1, in which each character is a byte. */
interface Packing {
  host: Host;
  root: Root;
  path: string;
  signal: AbortSignal;
  zip: ZipWriter;
  count: number;
  /** Links that were not looked at yet. */
  links: string[];
  left: Map<LinkFault | 'special', { count: number; names: string[] }>;
}

/**
 * A directory or file as a zip stream: the host sends tar, this process packs it again without touching its disk. A link
 * within the directory that may be used becomes what it leads to, and the comment of the archive names what was left out. An
 * abort, or destroying the stream, ends the command on the host.
 */
export async function zipOf(host: Host, root: Root, path: string, signal: AbortSignal): Promise<Readable> {
  const source = await host.stream(tarOf(root, path, MAX_ENTRIES), { signal });
  source.stdin.end();
  const zip = createZip();
  const packing: Packing = { host, root, path, signal, zip, count: 0, links: [], left: new Map() };
  const ofPath = (name: string): string =>
    name.startsWith('./')
      ? name.slice(2)
      : bytesOf(path.split('/').findLast(Boolean) ?? '').toString('latin1');
  void packAll(packing, source, ofPath).catch(zip.fail);
  return zip.out;
}

async function packAll(packing: Packing, source: RemoteStream, ofPath: NameOf): Promise<void> {
  await take(packing, source, ofPath);
  // what a link leads to may hold links again
  while (packing.links.length > 0) await packLinks(packing, packing.links.splice(0));
  await packing.zip.end(commentOf(packing));
}

async function packLinks(packing: Packing, links: string[]): Promise<void> {
  const { host, root, path, signal, left } = packing;
  const source = await host.stream(contentsOfLinks(root, path, MAX_ENTRIES - packing.count), { signal });
  source.stdin.on('error', () => undefined);
  source.stdin.end(Buffer.from(links.map((link) => `${link}\0`).join(''), 'latin1'));
  const said = await take(packing, source, (name) =>
    name.replace(/^k(\d+)(?=\/|$)/, (_, i: string) => links[Number(i)] ?? '..'),
  );
  for (const { why, count, first } of linkFaults(said)) {
    const known = left.get(why) ?? { count: 0, names: [] };
    const names = [...known.names, ...first.flatMap((i) => links[i] ?? [])];
    left.set(why, { count: known.count + count, names });
  }
}

/** The name in the zip, of one in the tar stream. */
type NameOf = (name: string) => string;

/** Resolves when the host has sent everything and its command succeeded: only then may the zip end as a complete one. */
async function take(packing: Packing, source: RemoteStream, nameOf: NameOf): Promise<{ stderr: string }> {
  const entries = tar.extract(BYTES);
  const leave = (): void => {
    source.stdout.destroy(new Error('the reader has gone'));
  };
  packing.zip.out.once('close', leave);
  try {
    const [sent, taken, end] = await Promise.allSettled([
      pipeline(source.stdout, tarMeter(() => undefined), entries),
      pack(packing, entries, nameOf).catch((error: unknown) => {
        entries.destroy(error instanceof Error ? error : new Error(String(error)));
        throw error;
      }),
      source.done,
    ]); // prettier-ignore
    if (taken.status === 'rejected' && taken.reason instanceof KilimError) throw taken.reason;
    if (end.status === 'rejected') throw end.reason;
    if (end.value.exitCode !== null && end.value.exitCode !== 0 && !isHarmless(end.value))
      throw fileFault({ ...end.value, stdout: '' }, packing.path);
    for (const one of [sent, taken]) if (one.status === 'rejected') throw one.reason;
    if (end.value.exitCode === null) throw fileFault({ ...end.value, stdout: '' }, packing.path);
    return end.value;
  } finally {
    packing.zip.out.off('close', leave);
  }
}

/** Reads a tar stream into the zip. A directory has an entry of its own where nothing else shows that it is there. */
async function pack(packing: Packing, entries: Extract, nameOf: NameOf): Promise<void> {
  let above: { name: string; header: Header }[] = [];
  const add = async (name: string, header: Header, content?: ExtractEvents['entry'][1]): Promise<void> => {
    if (++packing.count > MAX_ENTRIES || name.length > MAX_NAME_BYTES) throw notAskedFor(packing.path);
    const entry = { name: Buffer.from(name, 'latin1'), mode: header.mode, modified: header.mtime };
    if (content) await packing.zip.add(entry, Readable.from(content));
    else await packing.zip.add(entry);
  };
  const leaveDirs = async (name: string): Promise<void> => {
    while (above.length > 0 && !name.startsWith(above.at(-1)?.name ?? '')) {
      const dir = above.pop();
      above = [];
      if (dir) await add(dir.name, dir.header);
    }
  };
  let since = performance.now();
  for await (const entry of entries) {
    // thousands of small entries come in one piece of the stream
    if (performance.now() - since > TURN_MS) {
      await nextTurn();
      since = performance.now();
    }
    const { header } = entry;
    const name = withoutEndSlashes(nameOf(header.name));
    if (name.split('/').includes('..')) throw notAskedFor(packing.path);
    await leaveDirs(name);
    if (header.type === 'directory' && name !== '') above.push({ name: `${name}/`, header });
    else if (header.type === 'symlink') remember(packing, name);
    else if (header.type !== 'file' && header.type !== 'directory') skip(packing, name);
    if (header.type === 'file' && name !== '') {
      above = [];
      await add(name, header, header.size ? entry : undefined);
      if (header.size) continue;
    }
    entry.resume();
  }
  await leaveDirs('');
}

function remember({ links, count, path }: Packing, name: string): void {
  if (links.push(name) + count > 2 * MAX_ENTRIES) throw notAskedFor(path);
}

function skip({ left }: Packing, name: string): void {
  const known = left.get('special') ?? { count: 0, names: [] };
  if (known.names.length < MOST_NAMED) known.names.push(name);
  left.set('special', { ...known, count: known.count + 1 });
}

const notAskedFor = (path: string): KilimError =>
  new KilimError(
    'REMOTE_COMMAND_FAILED',
    `The host sent of ${path} what was not asked for: a name with "..", a very long one, or more than ${MAX_ENTRIES} files.`,
  );

const MOST_NAMED = 20;
const LONGEST_SHOWN = 200;

/** What is not in the archive, and why. No byte of a name can be taken for a part of the archive. */
const commentOf = ({ left }: Packing): string =>
  Array.from(left, ([why, { count, names }]) => {
    const what =
      why === 'special'
        ? 'entries that are no files, directories or links'
        : `links that ${LINK_FAULTS[why]}`;
    const shown = names.slice(0, MOST_NAMED).map((name) => JSON.stringify(shownName(name)));
    return `Not in this archive: ${count} ${what}: ${shown.join(', ')}${count > shown.length ? ', …' : ''}`;
  }).join('\n');

const shownName = (name: string): string =>
  Array.from(shownPath(textOf(Buffer.from(name, 'latin1'))))
    .slice(0, LONGEST_SHOWN)
    .join('');
