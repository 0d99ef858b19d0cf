import { execFileSync } from 'node:child_process';
import { linkSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
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
  for (const { url } of listed.filter(({ name }) => /[\u0000-\u001f\ufffd]/.test(name)))
    expect((await world.ask('GET', url.replace('tapis://vm', '/v3/files/content/vm'), { as: 'alice' })).status).toBe(200); // prettier-ignore
  const bad = await world.ask('GET', '/v3/files/content/vm/odd/%zz', { as: 'alice' });
  expect(bad.json.message).toContain('not well encoded');
  const made = await world.ask('POST', '/v3/files/ops/vm', { as: 'alice', body: { path: 'odd/a\nb' } });
  expect(made.json.message).toContain('control character');
  expect((await world.ask('DELETE', '/v3/files/ops/vm/odd/n%0al', { as: 'alice' })).status).toBe(200);
});
