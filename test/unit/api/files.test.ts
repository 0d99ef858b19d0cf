import { execFileSync } from 'node:child_process';
import { existsSync, linkSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, expect, it } from 'vitest';

import { aTutorial, aWorld, type World } from './a-world.js';

let world: World;
beforeAll(async () => {
  world = await aWorld();
  await aTutorial(world);
});
afterAll(() => world.close());

it('serves what a link leads to, each name of a file, and no pipe', async () => {
  const links = join(world.data, 'links');
  mkdirSync(links);
  writeFileSync(join(links, 'run-3.out'), 'a long content');
  symlinkSync('run-3.out', join(links, 'latest'));
  symlinkSync('nowhere', join(links, 'dangling'));
  linkSync(join(links, 'run-3.out'), join(links, 'again.out'));
  execFileSync('mkfifo', [join(links, 'pipe')]);
  const get = (path: string, headers: Record<string, string> = {}) =>
    world.ask('GET', `/v3/files/content/vm/links${path}`, { as: 'alice', headers });
  expect((await get('/latest')).text).toBe('a long content');
  expect((await get('/latest', { range: '2,13' })).text).toBe('long content');
  expect((await get('/dangling')).status).toBe(404);
  expect((await get('/pipe')).status).toBe(400);
  const zip = await get('?zip=true');
  expect(zip.text).toContain('run-3.out');
  expect(zip.text).toContain('again.out');
  expect((await get('/latest?zip=true')).text).toContain('latest');
});

it.each(['COPY', 'MOVE'])('refuses to %s a directory into itself, and changes nothing', async (operation) => {
  const self = join(world.data, operation);
  mkdirSync(join(self, 'deep'), { recursive: true });
  symlinkSync('deep', join(self, 'link'));
  const put = (newPath: string) =>
    world.ask('PUT', `/v3/files/ops/vm/${operation}`, { as: 'alice', body: { operation, newPath } });
  for (const newPath of ['deep', 'deep/new/er', 'new', 'link/x'])
    expect((await put(`${operation}/${newPath}`)).status, newPath).toBe(400);
  expect(readdirSync(self, { recursive: true }).sort()).toEqual(['deep', 'link']);
  expect((await put(operation)).status).toBe(200);
  expect((await put(`${operation}-2`)).status).toBe(200);
});

it('serves the outputs of a job: links as what they lead to, and all of a directory where no limit is wanted', async () => {
  const job = { name: 'j', appId: 'img', appVersion: '0.0.1' };
  const { uuid } = (await world.ask('POST', '/v3/jobs/submit', { as: 'alice', body: job })).json.result;
  const outputs = join(world.data, 'workdir/jobs', uuid, 'output');
  mkdirSync(join(outputs, 'empty'), { recursive: true });
  for (const name of ['a', 'b', 'c']) writeFileSync(join(outputs, name), `content of ${name}`);
  symlinkSync('b', join(outputs, 'latest'));
  symlinkSync('nowhere', join(outputs, 'dangling'));
  const get = (what: string) =>
    world.ask('GET', `/v3/jobs/${uuid}/output/${what}allowIfRunning=true`, { as: 'alice' });
  const names = async (query: string) =>
    (await get(`list/?${query}&`)).json.result.map(({ name }: { name: string }) => name);
  const all = ['a', 'b', 'c', 'dangling', 'empty', 'latest'];
  expect(await names('limit=-1')).toEqual(all);
  expect(await names('limit=-1&skip=2')).toEqual(all.slice(2));
  expect(await names('limit=2')).toEqual(all.slice(0, 2));
  expect((await get('download/latest?')).text).toBe('content of b');
  expect((await get('download/latest?compress=true&')).text).toMatch(/^PK.*latest/s);
  expect((await get('download/dangling?')).status).toBe(404);
  expect((await get('download/empty?')).json.message).toContain('JOBS_EMPTY_DIR_FOR_DOWNLOAD');
  expect((await get('download?')).text).toMatch(/^PK/);
});

it('serves files with odd names singly, and forges no header by them', async () => {
  const folder = join(world.data, 'odd');
  mkdirSync(folder);
  const names = ['n\nl', 't\tb', 'r\r\nX-Forged: yes', "q'(*)", '100%', 'é ü'].map((name) =>
    Buffer.from(name),
  );
  names.push(Buffer.from([0x62, 0xff, 0x2e, 0x74]));
  for (const name of names)
    writeFileSync(Buffer.concat([Buffer.from(`${folder}/`), name]), `content ${name.length}`);
  const listed = (await world.ask('GET', '/v3/files/ops/vm/odd', { as: 'alice' })).json.result as {
    name: string;
    url: string;
  }[];
  expect(listed).toHaveLength(names.length);
  for (const name of names) {
    const path = [...name].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('');
    const got = await world.ask('GET', `/v3/files/content/vm/odd/${path}`, { as: 'alice' });
    expect([got.status, got.text], path).toEqual([200, `content ${name.length}`]);
    expect(got.headers.get('x-forged')).toBeNull();
    expect(got.headers.get('content-disposition')).toMatch(/^attachment; filename="[ -~]+"(; filename\*=UTF-8''[A-Za-z0-9._~!%-]+)?$/); // prettier-ignore
    const stat = await world.ask('GET', `/v3/files/utils/linux/vm/odd/${path}`, { as: 'alice' });
    expect(stat.status).toBe(200);
  }
  // the URL that the list gives for such a name leads to the file
  for (const { url } of listed.filter(({ name }) => /[\u0000-\u001f]|%FF/.test(name)))
    expect((await world.ask('GET', url.replace('tapis://vm', '/v3/files/content/vm'), { as: 'alice' })).status).toBe(200); // prettier-ignore
  const bad = await world.ask('GET', '/v3/files/content/vm/odd/%zz', { as: 'alice' });
  expect(bad.json.message).toContain('not well encoded');
  const made = await world.ask('POST', '/v3/files/ops/vm', { as: 'alice', body: { path: 'odd/a\nb' } });
  expect(made.json.message).toContain('control character');
  expect((await world.ask('DELETE', '/v3/files/ops/vm/odd/n%0al', { as: 'alice' })).status).toBe(200);
});

const bytes = (...parts: (string | number | Buffer)[]): Buffer =>
  Buffer.concat(parts.map((part) => (typeof part === 'number' ? Buffer.of(part) : Buffer.from(part))));

it('takes the form in which a name that is not UTF-8 is shown for that name, in every route', async () => {
  const folder = join(world.data, 'forms');
  mkdirSync(folder);
  const dir = bytes(`${folder}/d`, 0xe9, '%');
  mkdirSync(dir);
  writeFileSync(bytes(dir, '/caf', 0xe9, '.txt'), 'odd');
  writeFileSync(bytes(`${folder}/x`, 0xff), 'odd');
  writeFileSync(join(folder, 'x%FF'), 'literal');
  const ask = (method: string, service: string, path: string, body?: unknown) =>
    world.ask(method, `/v3/files/${service}/vm/${encodeURIComponent(path)}`, { as: 'alice', body });
  const names = async (path: string): Promise<string[]> =>
    (await ask('GET', 'ops', path)).json.result.map(({ name }: { name: string }) => name);

  expect(await names('forms')).toEqual(['d%E9%25', 'x%FF', 'x%FF']);
  const [file] = (await ask('GET', 'ops', 'forms/d%E9%25')).json.result;
  expect(file).toMatchObject({ name: 'caf%E9.txt', path: 'forms/d%E9%25/caf%E9.txt' });
  expect((await ask('GET', 'content', file.path)).text).toBe('odd');
  expect((await ask('GET', 'utils/linux', file.path)).json.result.absolutePath).toBe(
    `${world.data}/${file.path}`,
  );
  expect((await ask('GET', 'content', `${file.path}x`)).json.message).toContain('d%E9%25/caf%E9.txtx');
  // the literal name is tried first; the URL leads to the other one
  expect((await ask('GET', 'content', 'forms/x%FF')).text).toBe('literal');
  expect((await world.ask('GET', '/v3/files/content/vm/forms/x%FF', { as: 'alice' })).text).toBe('odd');
  const form = new FormData();
  form.append('file', new Blob(['new']));
  expect((await ask('POST', 'ops', 'forms/d%E9%25/up', form)).status).toBe(200);
  expect((await ask('PUT', 'ops', file.path, { operation: 'COPY', newPath: 'forms/d%E9%25/copy' })).status).toBe(200); // prettier-ignore
  expect((await world.ask('POST', '/v3/files/ops/vm', { as: 'alice', body: { path: 'forms/d%E9%25/made' } })).status).toBe(200); // prettier-ignore
  expect(await names('forms/d%E9%25')).toEqual(['caf%E9.txt', 'copy', 'made', 'up']);
  for (const path of [file.path, 'forms/x%FF', 'forms/x%FF', 'forms/d%E9%25'])
    expect((await ask('DELETE', 'ops', path)).status, path).toBe(200);
  expect(readdirSync(folder)).toEqual([]);
  expect((await ask('DELETE', 'ops', 'forms/x%FF')).status).toBe(404);
});

it('gives a right to one name that is not UTF-8 to no other one, by its form and by its bytes', async () => {
  mkdirSync(join(world.data, 'rights'));
  for (const byte of [0xe9, 0xea, 0xeb]) {
    mkdirSync(bytes(`${world.data}/rights/d`, byte));
    writeFileSync(bytes(`${world.data}/rights/d`, byte, '/f'), `${byte}`);
  }
  const give = (path: string) =>
    world.ask('POST', `/v3/files/permissions/vm/rights/${path}`, { as: 'alice', body: { username: 'train301', permission: 'READ' } }); // prettier-ignore
  const get = async (path: string) => {
    const { status, text } = await world.ask('GET', `/v3/files/content/vm/rights/${path}`, {
      as: 'train301',
    });
    return status === 200 ? text : status;
  };
  await world.ask('POST', '/v3/systems/perms/vm/user/train301', {
    as: 'alice',
    body: { permissions: ['READ'] },
  });
  expect((await give('d%25E9')).json.result.path).toBe('rights/d%E9');
  expect([await get('d%25E9/f'), await get('d%E9/f')]).toEqual([String(0xe9), String(0xe9)]);
  expect([await get('d%EA/f'), await get('d%25EA/f'), await get('d%EB/f')]).toEqual([403, 403, 403]);
  expect((await give('d%EA')).json.result.path).toBe('rights/d%EA');
  expect([await get('d%EA/f'), await get('d%25EA/f'), await get('d%EB/f')]).toEqual([
    String(0xea),
    String(0xea),
    403,
  ]);
  const { json } = await world.ask('GET', '/v3/files/permissions/vm/rights/d%EA?username=train301', {
    as: 'alice',
  });
  expect(json.result).toMatchObject({ path: 'rights/d%EA', permission: 'READ' });
  expect(existsSync(join(world.data, 'rights/d%E9'))).toBe(false);
});

it('lists and serves outputs of a job whose names are not UTF-8', async () => {
  const job = { name: 'j', appId: 'img', appVersion: '0.0.1' };
  const { uuid } = (await world.ask('POST', '/v3/jobs/submit', { as: 'alice', body: job })).json.result;
  const outputs = join(world.data, 'workdir/jobs', uuid, 'output');
  mkdirSync(bytes(`${outputs}/d`, 0xe9), { recursive: true });
  writeFileSync(bytes(`${outputs}/d`, 0xe9, '/f', 0xff), 'content');
  const get = (what: string) =>
    world.ask('GET', `/v3/jobs/${uuid}/output/${what}?allowIfRunning=true`, { as: 'alice' });
  const paths = async (path: string): Promise<string[]> =>
    (await get(`list/${path}`)).json.result.map((file: { path: string }) => file.path.split('output/')[1]);
  expect(await paths('')).toEqual(['d%E9', 'd%E9/f%FF']);
  expect(await paths('d%25E9')).toEqual(['d%E9/f%FF']);
  for (const path of ['d%25E9/f%25FF', 'd%E9/f%FF']) {
    const got = await get(`download/${path}`);
    expect([got.text, got.headers.get('content-disposition')]).toEqual(['content', `attachment; filename="f_"; filename*=UTF-8''f%25FF`]); // prettier-ignore
  }
});
