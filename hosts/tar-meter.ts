import { Transform } from 'node:stream';

const BLOCK = 512;
/** Of a long name or an extended header, which the reader of the stream keeps in memory. */
const MAX_HEADER_BYTES = 1024 * 1024;

/**
 * Passes a tar stream on unchanged and counts the files in it and their bytes as they come by. A header of more
 * than a mebibyte, which no tar writes, is an error.
 */
export function tarMeter(
  onProgress: (bytes: number, files: number) => void,
): Transform & { counted: () => Counted } {
  const count = { bytes: 0, files: 0 };
  let head = Buffer.alloc(0);
  let body = 0; // bytes until the next header
  let content = 0; // how many of them are of a regular file
  const look = (chunk: Buffer): void => {
    for (let at = 0; at < chunk.length;) {
      if (body > 0) {
        const step = Math.min(body, chunk.length - at);
        count.bytes += Math.min(step, content);
        content = Math.max(0, content - step);
        body -= step;
        at += step;
        continue;
      }
      const part = chunk.subarray(at, at + BLOCK - head.length);
      head = Buffer.concat([head, part]);
      at += part.length;
      if (head.length < BLOCK) return;
      const size = sizeOf(head);
      if (HEADERS.includes(head[156] ?? 0) && size > MAX_HEADER_BYTES)
        throw new Error(`a header of ${size} bytes came in the tar stream`);
      const isFile = head[156] === 0x30 || (head[156] === 0 && head[0] !== 0);
      if (isFile) count.files++;
      body = Math.ceil(size / BLOCK) * BLOCK;
      content = isFile ? size : 0;
      head = Buffer.alloc(0);
    }
  };
  const meter = new Transform({
    highWaterMark: 1024 * 1024,
    transform(chunk: Buffer, _encoding, done) {
      try {
        look(chunk);
      } catch (error) {
        return done(error instanceof Error ? error : new Error(String(error)));
      }
      onProgress(count.bytes, count.files);
      done(null, chunk);
    },
  });
  return Object.assign(meter, { counted: () => ({ ...count }) });
}

export interface Counted {
  bytes: number;
  files: number;
}

/** Type flags of headers about the next entry: x, g, L, K. */
const HEADERS = [0x78, 0x67, 0x4c, 0x4b];

/** Octal, or base 256 where the first bit is set (files from 8 GiB). Links and the like have no body. */
const sizeOf = (head: Buffer): number => {
  if ([0x31, 0x32, 0x33, 0x34, 0x35, 0x36].includes(head[156] ?? 0)) return 0;
  if ((head[124] ?? 0) & 0x80) return Number(head.readBigUInt64BE(128));
  return Math.max(0, parseInt(head.toString('latin1', 124, 136).replace(/\0/g, '').trim() || '0', 8) || 0);
};
