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
