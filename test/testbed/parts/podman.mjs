import { chownSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { account } from '../lib/accounts.mjs';
import { needPrograms } from '../lib/packages.mjs';
import { commandLine, endAll, living, uidOf } from '../lib/processes.mjs';
import { run, say } from '../lib/run.mjs';
import { busyboxTar } from '../lib/rootfs.mjs';
import { vmSsh } from './sshd.mjs';

const image = 'kilim/busybox:test';
/** Ids of the machine that the account's containers may use. */
const IDS = 65_536;

/** Podman as the ordinary user of vm-ssh sees it: with no other variables than a login has. */
const podman = (args, options) =>
  run(
    'runuser',
    ['-u', vmSsh.user, '--', 'env', '-i', `HOME=${vmSsh.home}`, `PATH=${process.env.PATH}`, 'podman', '--log-level=error', ...args],
    { cwd: '/', ...options },
  ); // prettier-ignore

/** Ranges for the account, where useradd gave none: behind all others. */
function needIds(file) {
  const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
  if (text.split('\n').some((line) => line.startsWith(`${vmSsh.user}:`))) return;
  const ends = text.split('\n').map((line) => line.split(':').slice(1).reduce((sum, part) => sum + Number(part), 0));
  writeFileSync(file, `${text}${vmSsh.user}:${Math.max(100_000, ...ends)}:${IDS}\n`);
} // prettier-ignore

/** No network of their own, which would need /dev/net/tun, and the log where `podman logs` finds it without a journal. */
function settings() {
  const file = join(vmSsh.home, '.config', 'containers', 'containers.conf');
  const { uid, gid } = account(vmSsh.user);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(
    file,
    '[containers]\nnetns = "host"\n[engine]\nruntime = "runc"\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n',
  );
  for (const path of [dirname(dirname(file)), dirname(file), file]) chownSync(path, uid, gid);
}

const labelOf = () =>
  podman(['image', 'inspect', '--format', '{{index .Labels "kilim.made-from"}}', image], { mayFail: true });

async function importImage(tar, stamp) {
  const changes = ['CMD ["/bin/sh"]', `LABEL kilim.made-from=${stamp}`].flatMap((change) => ['--change', change]);
  await podman(['import', ...changes, '-', image], { input: readFileSync(tar) });
} // prettier-ignore

/** Podman's storage is not written through: a machine that lost its power may leave one that no command can read. */
async function forgetStorage() {
  const { uid } = account(vmSsh.user);
  await podman(['system', 'migrate'], { mayFail: true });
  await endAll(`containers of ${vmSsh.user}`, (pid) => uidOf(pid) === uid && commandLine(pid) === 'podman');
  const folders = [join(vmSsh.home, '.local', 'share', 'containers')];
  for (const name of [`podman-run-${uid}`, `containers-user-${uid}`]) folders.push(join('/tmp', name));
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
}

/** Rootless Podman for the user of vm-ssh, with an image made here. */
export const podmanEngine = {
  name: 'podman',
  async up() {
    await needPrograms({ podman: 'podman', runc: 'runc', newuidmap: 'uidmap', runuser: 'util-linux' });
    await needPrograms({ busybox: 'busybox-static' });
    await vmSsh.up();
    ['/etc/subuid', '/etc/subgid'].forEach(needIds);
    settings();
    const tar = await busyboxTar();
    const stamp = readFileSync(`${tar}.made-from`, 'utf8');
    if ((await labelOf()) === stamp) return;
    say(`making the image ${image} for Podman`);
    await importImage(tar, stamp).catch(async (error) => {
      say(`Podman's storage cannot be used and is made anew (${error.message})`);
      await forgetStorage();
      await importImage(tar, stamp);
    });
  },
  /** Containers, and the process that holds the account's namespaces; what is left ends with vm-ssh. */
  async down() {
    if (!account(vmSsh.user) || !existsSync(join(vmSsh.home, '.local'))) return;
    await podman(['rm', '-f', '-a'], { mayFail: true });
    await podman(['system', 'migrate'], { mayFail: true });
  },
  async status() {
    if (!account(vmSsh.user) || !existsSync(join(vmSsh.home, '.local'))) return { state: 'absent' };
    if (!living(vmSsh.name)) return { state: 'down' };
    const made = await labelOf();
    if (made === undefined) return { state: 'down' };
    const version = await podman(['version', '--format', '{{.Client.Version}}'], { mayFail: true });
    return { state: 'up', version, user: vmSsh.user, images: { busybox: image } };
  },
};
