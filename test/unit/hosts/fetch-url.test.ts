import { expect, it } from 'vitest';

import { openUrl } from '../../../hosts/fetch-url.js';

it.each([
  ['http://host:99999/a', 'is no URL'],
  ['http://127.0.0.1:1/a', 'its address is not allowed'],
  ['ftp://example.org/a', 'ftp: is not served'],
])('%s is refused for good: %s', async (url, why) => {
  const fetched = openUrl(url, false, new AbortController().signal);
  await expect(fetched).rejects.toMatchObject({
    code: 'TRANSFER_FAILED',
    message: expect.stringContaining(why),
  });
});

it.each([
  'http://127.0.0.1:1/a?sig=secret',
  'http://user:secret@127.0.0.1:1/a',
  'http://user:secret@h:99999/a?secret',
])('a message shows no login and no query: %s', async (url) => {
  const said = await openUrl(url, false, new AbortController().signal).catch((error: unknown) =>
    String(error),
  );
  expect(said).toMatch(/^KilimError: http/);
  expect(said).not.toContain('secret');
});
