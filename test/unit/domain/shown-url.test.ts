import { describe, expect, it } from 'vitest';

import { KilimError } from '../../../domain/errors.js';
import { cutUrls, hasUserInfo, shownUrl } from '../../../domain/files/shown-url.js';

describe('a URL with a login', () => {
  it.each([
    'http://user:secret@host/a',
    'HTTPS://user@host/a',
    'http://:secret@host',
    'http://a@b:secret@host/',
    'tapis://user:secret@vm/a',
    'docker://user:secret@registry/img',
    'http:\\\\user:secret@host/a',
    'http:///user:secret@host/a',
  ])('is recognised, and shown without its login: %s', (url) => {
    expect(hasUserInfo(url)).toBe(true);
    expect(shownUrl(url)).not.toMatch(/secret|user/);
    expect(shownUrl(url)).toMatch(/host|vm|registry/);
  });

  it.each([
    'https://host/@scope/a',
    'https://host/a?to=b@c',
    'tapis://vm/a@b',
    '/a/b@c',
    'docker://r/img@sha256:00',
  ])('is not %s', (url) => expect(hasUserInfo(url)).toBe(false));
});

describe('what is shown', () => {
  it.each([
    ['https://host/a.zip?sig=secret#x', 'https://host/a.zip?…'],
    ['https://host/a.zip#secret', 'https://host/a.zip?…'],
    ['https://host/a', 'https://host/a'],
    ['http://user:secret@host:99999/a', 'http://…'],
    ['http://user:secret@host/a?b', 'http://host/a?…'],
    ['tapis://vm/a?b', 'tapis://vm/a?b'],
  ])('of %s is %s', (url, shown) => expect(shownUrl(url)).toBe(shown));

  it('of a text is all but logins and queries', () => {
    const said =
      'GET "https://u:secret@host/a?sig=secret": refused; see http://other/x?y=secret, or docker://u:secret@r/img.';
    expect(cutUrls(said)).not.toContain('secret');
    expect(cutUrls(said)).toContain('GET "https://host/a?…": refused; see http://other/x?…');
    expect(new KilimError('TRANSFER_FAILED', said).message).toBe(cutUrls(said));
  });

  it.each([
    ['a', ''],
    ['a:', ''],
    ['http://', ''],
    ['http://@', ''],
    ['://', 'x'],
    ['?', '#'],
  ])('of a megabyte of %j takes no more than half a second', (piece, end) => {
    const text = piece.repeat(1_000_000 / piece.length) + end;
    const began = performance.now();
    cutUrls(text);
    hasUserInfo(text);
    shownUrl(`http://${text}`);
    expect(performance.now() - began).toBeLessThan(500);
  });
});
