/* The package has no types of its own. What begins with `_` is used by `zip-writer.ts`, which says why. */
declare module 'compress-commons' {
  import type { Readable, Transform } from 'node:stream';

  export class ZipArchiveEntry {
    name: Buffer | null;
    size: number;
    csize: number;
    getGeneralPurposeBit(): { useUTF8ForNames(is: boolean): void };
    setExternalAttributes(attributes: number): void;
    setMethod(method: number): void;
    setPlatform(platform: number): void;
    setTime(time: Date): void;
    isZip64(): boolean;
  }

  export class ZipArchiveOutputStream extends Transform {
    constructor(options: { zlib: { level: number } });
    entry(entry: ZipArchiveEntry, source: Readable | Buffer, done: (error: Error | null) => void): void;
    setComment(comment: string): void;
    finish(): void;
    isZip64(): boolean;
    offset: number;
    _entries: ZipArchiveEntry[];
    _writeCentralFileHeader(entry: ZipArchiveEntry): void;
    _writeCentralDirectoryZip64(): void;
    _writeCentralDirectoryEnd(): void;
    _archive: { centralOffset: number; centralLength: number };
  }
}
