/** The system and path of `tapis://system/path`; null for any other URL. */
export function tapisUrl(url: string): { systemId: string; path: string } | null {
  const [, systemId, path = ''] = /^tapis:\/\/([^/]+)\/?(.*)$/is.exec(url) ?? [];
  return systemId === undefined ? null : { systemId, path };
}
