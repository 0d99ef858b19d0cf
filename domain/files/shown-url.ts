const USER_INFO = /^([a-z][a-z0-9+.-]*:\/\/)[^/?#]*@/i;
const HTTP = /^https?:/i;

/** A URL that carries a user name or a password, as `http://user:secret@host/`. */
export const hasUserInfo = (url: string): boolean => {
  if (USER_INFO.test(url)) return true;
  if (!HTTP.test(url) || !URL.canParse(url)) return false;
  // the parser of http URLs takes spellings that the pattern does not, as http:\\user@host
  const { username, password } = new URL(url);
  return username !== '' || password !== '';
};

/** A URL as it may stand in a message: a login is left out, and so is a query, which may hold a signature. */
export function shownUrl(url: string): string {
  if (!HTTP.test(url)) return url.replace(USER_INFO, '$1');
  const bare = url.replace(/[?#].*$/s, '');
  const cut = bare === url ? '' : '?…';
  if (!hasUserInfo(url)) return bare + cut;
  if (!URL.canParse(url)) return `${url.slice(0, url.indexOf(':'))}://…`;
  const { protocol, host, pathname } = new URL(url);
  return `${protocol}//${host}${pathname}${cut}`;
}
