import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run, say } from './run.mjs';
import { cachedTar, slim } from './rootfs.mjs';
import { at } from './settings.mjs';

/** The cluster's people; none of them is root. dave's login shell is tcsh. */
export const people = {
  alice: { uid: 23001, shell: '/bin/bash' },
  bob: { uid: 23002, shell: '/bin/bash' },
  carol: { uid: 23003, shell: '/bin/bash' },
  dave: { uid: 23004, shell: '/bin/tcsh' },
};

const recipe = 'trixie-slurm-2';

const packages = [
  'openssh-server slurm-wlm slurmdbd mariadb-server munge', // the login node and its daemons
  'squashfs-tools squashfuse fuse2fs gocryptfs uidmap libseccomp2 libsqlite3-0 containernetworking-plugins ca-certificates', // for Apptainer
  'bzip2 file iproute2 procps python3 rsync tcsh unzip xz-utils zip', // what users expect
];

/** Apptainer, which gives `singularity`, is in Debian unstable only; it needs no newer library than this Debian has. */
async function installApptainer(root) {
  const folder = join(root, 'apptainer');
  mkdirSync(join(folder, 'lists/partial'), { recursive: true });
  const source = readFileSync(join(root, 'etc/apt/sources.list'), 'utf8')
    .split('\n')
    .find((line) => line.startsWith('deb '));
  writeFileSync(join(folder, 'sources.list'), source.replace(/ trixie .*/, ' unstable main\n'));
  const options = [
    `Dir::Etc::SourceList=${folder}/sources.list`,
    'Dir::Etc::SourceParts=/dev/null',
    `Dir::State::Lists=${folder}/lists`,
    'Dir::Cache::pkgcache=',
    'Dir::Cache::srcpkgcache=',
    'APT::Sandbox::User=root',
  ].flatMap((option) => ['-o', option]);
  await run('apt-get', ['-q', ...options, 'update'], { log: 'apptainer' });
  await run('apt-get', ['-q', ...options, 'download', 'apptainer'], { log: 'apptainer', cwd: folder });
  await run('sh', ['-c', 'chroot "$1" sh -c "dpkg -i /apptainer/*.deb"', 'sh', root], { log: 'apptainer' });
  await run('rm', ['-rf', folder]);
}

async function make(root) {
  say("making the cluster's root file system: Debian, Slurm, MariaDB, Apptainer (two minutes, once)");
  const include = packages.join(' ').split(' ').join(',');
  await run('debootstrap', ['--variant=minbase', `--include=${include}`, 'trixie', root], {
    log: 'debootstrap-cluster',
  });
  await installApptainer(root);
  for (const [name, { uid, shell }] of Object.entries(people)) {
    await run('chroot', [
      root,
      'useradd',
      '-u',
      String(uid),
      '-U',
      '-M',
      '-d',
      `/home/${name}`,
      '-s',
      shell,
      name,
    ]);
    await run('chroot', [root, 'usermod', '-p', '*', name]);
  }
  for (const folder of ['var/lib/slurm/slurmctld', 'var/log/slurm', 'opt/images'])
    mkdirSync(join(root, folder), { recursive: true });
  await slim(root);
}

/** The unpacked root file system that the machines share, read-only. */
export async function clusterRoot() {
  const tar = await cachedTar('cluster', recipe, make);
  const root = at('cluster', 'rootfs');
  const stamp = at('cluster', 'rootfs.made-from');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === recipe) return root;
  await run('rm', ['-rf', '--one-file-system', root]);
  rmSync(stamp, { force: true });
  mkdirSync(root, { recursive: true, mode: 0o755 });
  await run('tar', ['--numeric-owner', '--xattrs', '--xattrs-include=*', '-C', root, '-xpf', tar]);
  writeFileSync(stamp, recipe);
  return root;
}
