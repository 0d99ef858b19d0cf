import { copyFileSync, existsSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run, say } from './run.mjs';
import { at } from './settings.mjs';

/**
 * A root file system as a tar below cache/, made once: `make` fills the folder it is given.
 * `madeFrom` names the recipe; another recipe makes a new tar.
 */
export async function cachedTar(name, madeFrom, make) {
  mkdirSync(at('cache'), { recursive: true });
  const tar = at('cache', `${name}.tar`);
  const stamp = `${tar}.made-from`;
  if (existsSync(stamp) && (await run('cat', [stamp])) === madeFrom) return tar;
  const root = at('cache', `${name}.making`);
  await run('rm', ['-rf', '--one-file-system', root]);
  mkdirSync(root, { recursive: true, mode: 0o755 });
  await make(root);
  rmSync(stamp, { force: true });
  await run('tar', ['--numeric-owner', '--xattrs', '-C', root, '-cf', `${tar}.new`, '.']);
  renameSync(`${tar}.new`, tar);
  writeFileSync(stamp, madeFrom);
  await run('rm', ['-rf', '--one-file-system', root]);
  return tar;
}

/** What a running system does not need: package lists, manuals, the installer's cache. */
export const slim = (root) =>
  run('sh', [
    '-c',
    'cd "$1" && rm -rf var/cache/apt/* var/lib/apt/lists/* usr/share/doc/* usr/share/man/* usr/share/locale/*',
    'sh',
    root,
  ]);

/** A root file system of a few megabytes: busybox under all its names. */
export const busyboxTar = () =>
  cachedTar('busybox', 'busybox-1', async (root) => {
    for (const folder of ['bin', 'dev', 'etc', 'home', 'proc', 'root', 'sys', 'tmp', 'usr/bin', 'var']) {
      mkdirSync(join(root, folder), { recursive: true });
    }
    copyFileSync(await run('sh', ['-c', 'command -v busybox']), join(root, 'bin/busybox'));
    const applets = (await run(join(root, 'bin/busybox'), ['--list']))
      .split('\n')
      .filter((applet) => applet !== 'busybox');
    for (const applet of applets) symlinkSync('busybox', join(root, 'bin', applet));
    symlinkSync('../../bin/busybox', join(root, 'usr/bin/env'));
    writeFileSync(join(root, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\n');
    writeFileSync(join(root, 'etc/group'), 'root:x:0:\n');
    await run('chmod', ['1777', join(root, 'tmp')]);
  });

/** A Debian with Python and its picture library: the base of the example's images. */
export const debianTar = () =>
  cachedTar('debian-python', 'trixie-python-1', async (root) => {
    say('making a Debian root file system with Python (about a minute, once)');
    await run('debootstrap', ['--variant=minbase', '--include=python3,python3-pil', 'trixie', root], {
      log: 'debootstrap',
    });
    await slim(root);
  });
