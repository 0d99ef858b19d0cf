import { KilimError } from '../domain/errors.js';
import { shownPath } from '../domain/files/odd-names.js';
import type { RemoteCommand } from '../domain/remote-command.js';
import { quote } from '../domain/shell.js';
import { absolute, fileFault, rooted, type Root } from '../hosts/rooted.js';

const FORMAT = '%U\\t%G\\t%u\\t%g\\t%s\\t%A\\t%X\\t%Y\\t%F';

const STAT =
  /^[^\t]*\t[^\t]*\t(\d{1,10})\t(\d{1,10})\t(\d{1,19})\t([^\t]*)\t(-?\d{1,12})\t(-?\d{1,12})\t([^\t]*)$/;

/** What `stat` says of one path (specification: platform §5.3, FileStatInfo). */
export const statInfo = (
  root: Root,
  path: string,
  followLinks: boolean,
): RemoteCommand<Record<string, unknown>> => ({
  line: [
    ...rooted(root, path),
    '[ -e "$path" ] || [ -L "$path" ] || exit 66',
    `stat ${followLinks ? '-L ' : ''}--printf=${quote(FORMAT)} -- "$path"`,
  ].join('\n'),
  parse: (reply) => {
    if (reply.exitCode !== 0) throw fileFault(reply, path);
    const [, uid, gid, size, perms = '', accessed, modified, kind = ''] = STAT.exec(reply.stdout) ?? [];
    if (size === undefined)
      throw new KilimError('REMOTE_COMMAND_FAILED', `What the host says of ${path} is not understood.`);
    const instant = (seconds: string | undefined): string => new Date(Number(seconds) * 1000).toISOString();
    return {
      absolutePath: shownPath(absolute(root, path)),
      uid: Number(uid),
      gid: Number(gid),
      size: Number(size),
      perms: perms.slice(1),
      accessTime: instant(accessed),
      modifyTime: instant(modified),
      dir: kind.trim() === 'directory',
      link: kind.trim() === 'symbolic link',
    };
  },
});
