import fc from 'fast-check';
import { expect, it } from 'vitest';

import { isOdd, shownPath } from '../../../domain/files/odd-names.js';
import { bytesOf, listOfNames, oddNameOf, textOf } from '../../../hosts/odd-bytes.js';

/** Names as hosts have them: letters, what UTF-8 begins and ends with, percent signs, anything. */
const piece = fc.oneof(
  fc.constantFrom('a', '%', '%25', '%E9', 'é', '日', '𝄞', '\ufffd', '\n', '\\', ':').map((text) => Buffer.from(text)),
  fc.constantFrom([0xe9], [0xc3], [0xa9], [0xed, 0xa0, 0x80], [0xed, 0xb3, 0xa9], [0xf0, 0x9f], [0xc0, 0xaf], [0xff]).map((bytes) => Buffer.from(bytes)),
  fc.uint8Array({ min: 1, max: 255, maxLength: 4 }).map((bytes) => Buffer.from(bytes)),
); // prettier-ignore
const aName = fc
  .array(piece, { minLength: 1, maxLength: 8 })
  .map((pieces) => Buffer.concat(pieces))
  .filter((bytes) => bytes.length > 0 && !bytes.includes(0x2f));

it('gives back the very bytes of any name, alone and in a list', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(aName, { minLength: 1, maxLength: 5 }), async (names) => {
      for (const name of names) expect(bytesOf(textOf(name))).toEqual(name);
      const list = Buffer.concat(names.map((name) => Buffer.concat([Buffer.from('./'), name, Buffer.of(0)])));
      expect(await listOfNames(names.map(textOf))).toEqual(list);
    }),
    { numRuns: 2_000 },
  );
});

it('shows a name that is UTF-8 as it is, and any other as a text that leads back to it alone', () => {
  fc.assert(
    fc.property(aName, (bytes) => {
      const name = textOf(bytes);
      const shown = shownPath(name);
      expect(Buffer.from(shown).toString()).toBe(shown);
      expect(isOdd(name)).toBe(!Buffer.from(bytes.toString('utf8')).equals(bytes));
      if (isOdd(name)) expect(oddNameOf(shown)).toBe(name);
      else expect(shown).toBe(bytes.toString('utf8'));
    }),
    { numRuns: 5_000 },
  );
});

it.each([
  ['caf%E9.txt', [0x63, 0x61, 0x66, 0xe9, 0x2e, 0x74, 0x78, 0x74]],
  ['caf%e9', [0x63, 0x61, 0x66, 0xe9]],
  ['100%25 %FF', [0x31, 0x30, 0x30, 0x25, 0x20, 0xff]],
  ['%ED%A0%80', [0xed, 0xa0, 0x80]],
])('%s stands for a name that is not UTF-8', (shown, bytes) => {
  expect(bytesOf(oddNameOf(shown) ?? '')).toEqual(Buffer.from(bytes));
});

it.each(['caf%C3%A9', '100%', '100% %FF', '%41%FF', '%25', 'é', '%00%FF', '%2F%FF', '%FF%zz', ''])(
  '%j is a name of its own only',
  (shown) => {
    expect(oddNameOf(shown)).toBeNull();
  },
);
