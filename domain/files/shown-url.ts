const USER_INFO = /^([a-z][a-z0-9+.-]*:\/\/)[^/?#]*@/i;
const HTTP = /^https?:/i;
/** Stands for the query or fragment that was left out. */
export const CUT = '?…';

/** The rule against a login in a URL, and what to do instead. */
export const NO_LOGIN =
  'may not carry a user name or password, which would stand in records: name the file as tapis://system/path of a system that it lies on, or by a URL that is signed for the download, whose query is kept sealed';

/** Whether a URL carries a user name or a password, as `http://user:secret@host/` does. */
export const hasUserInfo = (url: string): boolean => {
  if (USER_INFO.test(url)) return true;
  if (!HTTP.test(url) || !URL.canParse(url)) return false;
  // the parser of http URLs accepts spellings that the pattern does not find, as http:\\user@host
  const { username, password } = new URL(url);
  return username !== '' || password !== '';
};

/** A URL as it may stand in a message: without a login, and without a query, which may hold a signature. */
export function shownUrl(url: string): string {
  if (!HTTP.test(url)) return url.replace(USER_INFO, '$1');
  const bare = url.replace(/[?#].*$/s, '');
  const cut = bare === url ? '' : CUT;
  if (!hasUserInfo(url)) return bare + cut;
  if (!URL.canParse(url)) return `${url.slice(0, url.indexOf(':'))}://…`;
  const { protocol, host, pathname } = new URL(url);
  return `${protocol}//${host}${pathname}${cut}`;
}

/** URLs in a text, up to the character that ends them in a sentence. */
const IN_TEXT = /\b[a-z][a-z0-9+.-]{0,20}:\/\/[^\s"<>]+/gi;

/** A text, such as the output of a program on a host, with its URLs as they may be shown. */
export const cutUrls = (text: string): string => text.replace(IN_TEXT, shownUrl);
