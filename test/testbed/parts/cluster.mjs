import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { needKeyPair } from '../lib/accounts.mjs';
import { clusterRoot, people } from '../lib/cluster-rootfs.mjs';
import { endMachine, inside, launchInside, startMachine } from '../lib/machine.mjs';
import { needPrograms } from '../lib/packages.mjs';
import { cutSshd, end, living, ready } from '../lib/processes.mjs';
import { answers, mustBeFree, run, say, until } from '../lib/run.mjs';
import { at, ports as allPorts, tag } from '../lib/settings.mjs';
import { singularityImages, imagePaths } from '../lib/singularity-images.mjs';
import { clearShims, shimFiles } from '../lib/shims.mjs';
import { cgroupConf, slurmConf, slurmdbdConf } from './slurm-conf.mjs';

const sshdConf = (port) => `
Port ${port}
ListenAddress 127.0.0.1
HostKey /etc/ssh/host_key
PidFile none
UsePAM no
PermitRootLogin no
AllowUsers ${Object.keys(people).join(' ')}
PasswordAuthentication no
KbdInteractiveAuthentication no
PrintMotd no
Subsystem sftp internal-sftp
`;

/** Many sites greet people, and their start-up files take their time. */
const slowBashrc = 'echo "Welcome to the cluster. Please read the news."\nsleep 0.15\n';

async function makeHomes(folder) {
  for (const [name, { uid }] of Object.entries(people)) {
    const home = `${folder}/${name}`;
    const { publicKeyFile } = await needKeyPair(name, name);
    const made = existsSync(home);
    mkdirSync(`${home}/.ssh`, { recursive: true });
    writeFileSync(`${home}/.ssh/authorized_keys`, readFileSync(publicKeyFile));
    if (!made && name === 'carol') writeFileSync(`${home}/.bashrc`, slowBashrc);
    chmodSync(`${home}/.ssh`, 0o700);
    for (const path of [home, `${home}/.ssh`, `${home}/.ssh/authorized_keys`]) chownSync(path, uid, uid);
    if (name === 'carol' && !made) chownSync(`${home}/.bashrc`, uid, uid);
    chmodSync(home, 0o750);
  }
}

const memoryGroups = '/sys/fs/cgroup/memory';

/** Slurm makes control groups for its jobs; they stay when it is killed. */
async function removeControlGroups(clusterName) {
  const folder = `${memoryGroups}/slurm_${clusterName}`;
  if (existsSync(folder))
    await until(`${folder} is empty`, () =>
      run('find', [folder, '-depth', '-type', 'd', '-delete'], { mayFail: true }).then(
        () => !existsSync(folder),
      ),
    );
}

/** A login node that is also the compute node, with a Slurm of its own. */
function cluster(name, { accounting, wishedMemoryLimit }) {
  const ports = allPorts[name];
  const work = at('cluster', name);
  const clusterName = `${name}${tag}`;
  const hostKey = at('ssh', `${name}-host-key`);
  const homes = `${work}/home`;
  const shims = `${work}/shims`;
  const memoryLimit = existsSync(`${memoryGroups}/memory.limit_in_bytes`) ? wishedMemoryLimit : 'polling';

  /** In the order in which they start. */
  const daemons = {
    munged: {
      command: 'setpriv --reuid=munge --regid=munge --clear-groups munged --foreground',
      isReady: () => inside(name, ['sh', '-c', 'munge -n | unmunge'], { mayFail: true }),
      prepare: 'install -d -o munge -g munge /run/munge',
    },
    mariadbd: accounting && {
      command: 'mariadbd --user=mysql --skip-networking --socket=/run/mysqld/mysqld.sock',
      isReady: () => inside(name, ['mariadb-admin', 'ping'], { mayFail: true }),
      prepare: 'install -d -o mysql -g mysql /run/mysqld',
    },
    slurmdbd: accounting && {
      command: 'slurmdbd -D',
      isReady: () => answers(ports.slurmdbd),
      prepare: 'true',
      port: ports.slurmdbd,
    },
    slurmctld: {
      command: 'slurmctld -D',
      isReady: async () => (await inside(name, ['scontrol', 'ping'], { mayFail: true }))?.includes('is UP'),
      prepare: 'true',
      port: ports.slurmctld,
    },
    slurmd: {
      command: `slurmd -D -N ${name}`,
      isReady: () => answers(ports.slurmd),
      prepare: 'true',
      port: ports.slurmd,
    },
    sshd: {
      command: '/usr/sbin/sshd -D -e',
      isReady: () => answers(ports.ssh),
      prepare: 'install -d -m 755 /run/sshd',
      port: ports.ssh,
    },
  };

  async function startDaemon(key) {
    const daemon = `${name}-${key}`;
    const { command, isReady, prepare, port } = daemons[key];
    if (living(daemon)) return;
    if (port) await mustBeFree(port, daemon);
    await inside(name, ['sh', '-c', prepare]);
    await launchInside(name, daemon, command.split(' '));
    await ready(daemon, isReady);
  }

  async function makeAccounts(password) {
    await inside(name, [
      'mariadb',
      '-e',
      `create database slurm_acct_db; grant all on slurm_acct_db.* to slurm@localhost identified by '${password}'`,
    ]);
    await startDaemon('slurmdbd');
    const sacctmgr = (...words) => inside(name, ['sacctmgr', '-i', '-Q', ...words]);
    await sacctmgr('add', 'cluster', clusterName);
    await sacctmgr('add', 'account', 'science', `cluster=${clusterName}`);
    await sacctmgr('add', 'user', ['root', ...Object.keys(people)].join(','), 'account=science');
  }

  async function boot() {
    say(`starting the cluster ${name} (seconds)`);
    const lower = await clusterRoot();
    // a fresh start: whatever jobs there were ended with the last one
    await run('rm', ['-rf', '--one-file-system', `${work}/upper`, `${work}/scratch`]);
    for (const folder of [at('ssh'), homes, at('cluster', 'images')])
      mkdirSync(folder, { recursive: true, mode: 0o755 });
    clearShims(shims);
    if (!existsSync(hostKey)) await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', hostKey]);
    await makeHomes(homes);
    const password = 'loopback-only';
    const firstJobId = 1000 + (Math.floor(Date.now() / 60_000) % 30_000_000);
    const files = {
      '/etc/hosts': `127.0.0.1 localhost ${name}\n`,
      '/etc/slurm/slurm.conf': slurmConf({ name, clusterName, ports, accounting, memoryLimit, firstJobId }),
      '/etc/slurm/cgroup.conf': cgroupConf,
      '/etc/slurm/slurmdbd.conf': { text: slurmdbdConf({ name, ports, password }), mode: 0o600 },
      '/etc/ssh/sshd_config': sshdConf(ports.ssh),
      '/etc/ssh/host_key': { text: readFileSync(hostKey), mode: 0o600 },
      ...shimFiles(),
    };
    const binds = { [homes]: '/home', [at('cluster', 'images')]: '/opt/images', [shims]: '/run/shims' };
    await startMachine(name, { lower, work, binds, files });
    await startDaemon('munged');
    if (accounting) {
      await startDaemon('mariadbd');
      await makeAccounts(password);
    }
  }

  return {
    name,
    shims,
    async up() {
      await needPrograms({
        debootstrap: 'debootstrap',
        unshare: 'util-linux',
        'ssh-keygen': 'openssh-client',
      });
      if (!living(name)) await boot();
      for (const key of Object.keys(daemons)) if (daemons[key]) await startDaemon(key);
      await until(`${name} is idle`, async () =>
        /idle|mixed|alloc/.test(
          (await inside(name, ['sinfo', '-h', '-p', 'normal', '-o', '%T'], { mayFail: true })) ?? '',
        ),
      );
      await singularityImages(name);
    },
    /** Which of the machine's daemons a fault test may stop; the sshd loses its connections too. */
    daemons: Object.keys(daemons).filter((key) => daemons[key]),
    startDaemon,
    stopDaemon: (key) => (key === 'sshd' ? cutSshd(`${name}-sshd`) : end(`${name}-${key}`)),
    async down() {
      await endMachine(name);
      for (const key of Object.keys(daemons)) await end(`${name}-${key}`, { how: 'SIGKILL' });
      await removeControlGroups(clusterName);
    },
    async status() {
      const state = living(name) ? 'up' : existsSync(work) ? 'down' : 'absent';
      if (state === 'absent') return { state };
      const users = {};
      for (const user of Object.keys(people)) {
        users[user] = {
          home: `/home/${user}`,
          homeOnThisMachine: `${homes}/${user}`,
          privateKeyFile: at('keys', user),
          publicKeyFile: `${at('keys', user)}.pub`,
        };
      }
      const running = Object.fromEntries(
        Object.keys(daemons)
          .filter((key) => daemons[key])
          .map((key) => [key, living(`${name}-${key}`) ? 'up' : 'down']),
      );
      const slurm = {
        clusterName,
        accounting,
        memoryLimit,
        partitions: ['normal', 'closed'],
        node: name,
        account: accounting ? 'science' : null,
        ports,
      };
      return {
        state,
        host: '127.0.0.1',
        port: ports.ssh,
        hostKeyFile: `${hostKey}.pub`,
        users,
        slurm,
        daemons: running,
        images: imagePaths(),
        shims,
        pid: living(name) ?? null,
      };
    },
  };
}

export const withAccounting = cluster('hpc-slurm', { accounting: true, wishedMemoryLimit: 'kernel' });
export const withoutAccounting = cluster('hpc-noacct', { accounting: false, wishedMemoryLimit: 'polling' });
