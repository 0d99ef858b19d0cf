import type { FileInfo } from '../domain/files/file-info.js';
import { shownPath } from '../domain/files/odd-names.js';
import { encoded, isPlain } from '../hosts/odd-bytes.js';

/**
 * A name may hold control characters or bytes that are not UTF-8. The latter are shown as `%XX`, which every route takes for the
 * same file; and the `url` of such a file is percent-encoded, so that its path names the same file again.
 */
export const fileRecord = (info: FileInfo, systemId: string): Record<string, unknown> => ({
  ...info,
  name: shownPath(info.name),
  path: shownPath(info.path),
  mimeType: info.type === 'dir' ? null : 'application/octet-stream',
  url: `tapis://${systemId}/${isPlain(info.path) ? info.path : info.path.split('/').map(encoded).join('/')}`,
});
