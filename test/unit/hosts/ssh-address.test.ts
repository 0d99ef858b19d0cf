import { expect, it } from 'vitest';

import { connectSsh } from '../../../hosts/ssh.js';

it.each(['169.254.169.254', 'fe80::1', '::ffff:169.254.169.254'])('nobody logs in at %s', async (host) => {
  const address = { tenant: 'dev', systemId: 's', host, port: 80, loginUser: 'root' };
  const keys = { find: () => Promise.resolve(null), pin: () => Promise.resolve() };
  const login = connectSsh(address, { password: 'x' }, keys);
  await expect(login).rejects.toMatchObject({
    code: 'HOST_LOGIN_REFUSED',
    message: expect.stringContaining('not allowed'),
  });
});
