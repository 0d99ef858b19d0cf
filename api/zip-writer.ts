import { PassThrough, type Readable } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';

import { ZipArchiveEntry, ZipArchiveOutputStream } from 'compress-commons';

export interface ZipEntry {
  /** Any bytes. That of a directory ends with a slash. */
  name: Buffer;
  mode: number;
  modified: Date;
}

export interface ZipWriter {
  /** Destroyed by `fail`; its reader may destroy it as well. */
  out: PassThrough;
  /** Resolves when all of the entry is on its way to the reader; without content it is an empty file or a directory. */
  add: (entry: ZipEntry, content?: Readable) => Promise<void>;
  /** Ends the archive as a complete one. A comment may have 65,535 bytes. */
  end: (comment: string) => Promise<void>;
  fail: (error: unknown) => void;
}

const UNIX = 3;
const STORED = 0;
const [DIRECTORY, FILE] = [0o040000, 0o100000];
const DOS_DIRECTORY = 0x10;
const SLASH = 0x2f;
/** From these on a number of the format is only said by its larger twin. */
const [MAX_SHORT, MAX_LONG] = [0xffff, 0xffffffff];

const HEADERS_PER_TURN = 500;

/** Writes a zip as a stream, an entry after the other. */
export function createZip(): ZipWriter {
  const archive = new ZipArchiveOutputStream({ zlib: { level: 1 } });
  const out = new PassThrough();
  const fail = (error: unknown): void => {
    out.destroy(error instanceof Error ? error : new Error(String(error)));
  };
  archive.on('error', fail);
  out.on('error', () => undefined); // its reader is told of it; `pipe` would make it an error of the program
  archive.pipe(out);
  // the library takes a number for small enough that readers take for a sign to look elsewhere
  archive.isZip64 = () =>
    archive._entries.length >= MAX_SHORT ||
    archive._archive.centralOffset >= MAX_LONG ||
    archive._archive.centralLength >= MAX_LONG;
  let giveUp = (): void => undefined;
  out.once('close', () => giveUp());
  /** One at a time: waits for what `begin` does, or for the reader to leave. */
  const waiting = (begin: (done: (error?: Error | null) => void) => void): Promise<void> =>
    new Promise((resolve, reject) => {
      giveUp = () => reject(out.errored ?? new Error('the reader has gone'));
      if (out.destroyed) giveUp();
      else begin((error) => (error ? reject(error) : resolve()));
    });
  const drained = (): Promise<void> =>
    waiting((done) => {
      if (archive.writableNeedDrain) archive.once('drain', () => done());
      else done();
    });
  return {
    out,
    fail,
    add: async (entry, content) => {
      await waiting((done) => {
        content?.once('error', done);
        archive.entry(entryOf(entry, content !== undefined), content ?? Buffer.alloc(0), done);
      });
      await drained();
    },
    end: async (comment) => {
      archive.setComment(comment);
      await writeDirectory(archive, drained);
    },
  };
}

function entryOf({ name, mode, modified }: ZipEntry, hasContent: boolean): ZipArchiveEntry {
  const entry = new ZipArchiveEntry();
  const isDir = name.at(-1) === SLASH;
  // `setName` would change it: it takes `C:` away and makes slashes of backslashes
  entry.name = name;
  const isText = Buffer.from(name.toString('utf8')).equals(name);
  entry.getGeneralPurposeBit().useUTF8ForNames(isText && name.some((byte) => byte > 0x7f));
  entry.setPlatform(UNIX);
  entry.setExternalAttributes(
    ((((mode & 0o7777) | (isDir ? DIRECTORY : FILE)) << 16) | (isDir ? DOS_DIRECTORY : 0)) >>> 0,
  );
  entry.setTime(Number.isNaN(modified.getTime()) ? new Date(0) : modified);
  if (!hasContent) entry.setMethod(STORED);
  entry.isZip64 = () => entry.size >= MAX_LONG || entry.csize >= MAX_LONG;
  return entry;
}

/**
 * Writes the directory at the end of the archive in slices. The library would write it in one go, in a million small pieces, and
 * other requests would wait for seconds.
 */
async function writeDirectory(archive: ZipArchiveOutputStream, drained: () => Promise<void>): Promise<void> {
  const together = (work: () => void): void => {
    const pieces: Buffer[] = [];
    archive.write = (piece: Buffer | string) => pieces.push(Buffer.from(piece)) > 0;
    try {
      work();
    } finally {
      Reflect.deleteProperty(archive, 'write');
    }
    archive.write(Buffer.concat(pieces));
  };
  const { _entries: entries, _archive: place } = archive;
  place.centralOffset = archive.offset;
  for (let from = 0; from < entries.length; from += HEADERS_PER_TURN) {
    together(() =>
      entries.slice(from, from + HEADERS_PER_TURN).forEach((one) => archive._writeCentralFileHeader(one)),
    );
    await drained();
    await nextTurn();
  }
  place.centralLength = archive.offset - place.centralOffset;
  together(() => {
    // it tells where it lies by what was written before it
    if (archive.isZip64()) archive._writeCentralDirectoryZip64();
    archive._writeCentralDirectoryEnd();
  });
  archive.end();
}
