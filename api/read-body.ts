import type { IncomingMessage } from 'node:http';

import { KilimError } from '../domain/errors.js';

const DEPTH = 100;
/** Character codes, because charCodeAt is several times as fast as reading single characters of a text. */
const codeOf = (c: string): number => c.charCodeAt(0);
const [QUOTE, BACKSLASH] = [codeOf('"'), codeOf('\\')];
const [OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = [
  codeOf('['),
  codeOf(']'),
  codeOf('{'),
  codeOf('}'),
];

/**
 * Is the nesting of a JSON text too deep? Brackets inside strings do not count; a text that is not JSON is found later by the
 * parser. Each character is read once, because this also runs on bodies of clients that have not logged in.
 */
export function isTooDeep(text: string): boolean {
  let depth = 0;
  let isInString = false;
  for (let at = 0; at < text.length; at++) {
    const c = text.charCodeAt(at);
    if (isInString) {
      if (c === BACKSLASH) at++;
      else if (c === QUOTE) isInString = false;
    } else if (c === QUOTE) isInString = true;
    else if (c === CLOSE_LIST || c === CLOSE_OBJECT) depth--;
    else if ((c === OPEN_LIST || c === OPEN_OBJECT) && ++depth > DEPTH) return true;
  }
  return false;
}

/** A JSON document, or null where there is none. The message names no content: it may be a secret. */
export function parseJson(text: string, type = 'application/json'): unknown {
  if (text.trim() === '') return null;
  if (/^application\/x-www-form-urlencoded/i.test(type)) {
    const form = Object.fromEntries(new URLSearchParams(text));
    refuseNul(form);
    return form;
  }
  if (!/^application\/([a-z.+-]+\+)?json\b/i.test(type))
    throw new KilimError(
      'UNSUPPORTED_MEDIA_TYPE',
      `The body must be application/json, not ${type.slice(0, 80)}.`,
    );
  if (isTooDeep(text))
    throw new KilimError('INVALID_REQUEST', `The body is nested deeper than ${DEPTH} levels.`);
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch (error) {
    const position = /position \d+(?: \(line \d+ column \d+\))?/.exec(
      error instanceof Error ? error.message : '',
    )?.[0];
    throw new KilimError('INVALID_JSON', `The body is not JSON${position ? ` at ${position}` : ''}.`);
  }
  if (/\\u(0000|d[89a-f])/i.test(text)) refuseNul(body);
  return body;
}

const HALF = /[\ud800-\udfff]/u;

/** No value of the interface may hold a NUL or half a character: neither a shell nor a database takes one. */
export function refuseNul(value: unknown, field = 'body'): void {
  if (typeof value === 'string' && value.includes('\0'))
    throw new KilimError('INVALID_REQUEST', `${field}: contains a NUL character`);
  if (typeof value === 'string' && HALF.test(value))
    throw new KilimError('INVALID_REQUEST', `${field}: contains half of a surrogate pair`);
  if (value === null || typeof value !== 'object') return;
  for (const [name, member] of Object.entries(value)) {
    refuseNul(name, field);
    refuseNul(member, name);
  }
}

const LIMIT = 1_048_576;

/** The JSON body of a route that reads its stream itself. @throws KilimError INVALID_REQUEST, BODY_TOO_LARGE */
export async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size <= LIMIT) chunks.push(chunk);
    }
  } catch {
    // the client closed the connection, or the body was late and its connection was closed: no fault of the service
    throw new KilimError('INVALID_REQUEST', 'The body could not be read.');
  }
  if (size > LIMIT) throw new KilimError('BODY_TOO_LARGE', `The body is larger than ${LIMIT} bytes.`);
  return parseJson(Buffer.concat(chunks).toString('utf8'), request.headers['content-type']);
}
