import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { describeHomes, makeHomes } from '../lib/cluster-homes.mjs';
import { clusterRoot, people } from '../lib/cluster-rootfs.mjs';
import { endMachine, inside, launchInside, startMachine } from '../lib/machine.mjs';
import { needPrograms } from '../lib/packages.mjs';
import { cutSshd, end, living, ready } from '../lib/processes.mjs';
import { mustBeFree, run, say, until } from '../lib/run.mjs';
import { at, ports, tag } from '../lib/settings.mjs';
import { clearShims, shimFiles } from '../lib/shims.mjs';
import { imagePaths, singularityImages } from '../lib/singularity-images.mjs';
import { cgroupConf, slurmConf, slurmdbdConf } from './slurm-conf.mjs';
import { daemonsOf, isReady } from './slurm-daemons.mjs';

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

const memoryGroups = '/sys/fs/cgroup/memory';
const kernelCanLimit = existsSync(`${memoryGroups}/memory.limit_in_bytes`);
const databasePassword = 'loopback-only'; // the database has no port

/** A login node that is also the compute node, with a Slurm of its own. */
class Cluster {
  constructor(name, { accounting, memoryLimit }) {
    this.name = name;
    this.accounting = accounting;
    this.memoryLimit = kernelCanLimit ? memoryLimit : 'polling';
    this.clusterName = `${name}${tag}`;
    this.ports = ports[name];
    this.work = at('cluster', name);
    this.homes = `${this.work}/home`;
    this.shims = `${this.work}/shims`;
    this.hostKey = at('ssh', `${name}-host-key`);
    this.table = daemonsOf(name, this);
    /** What a fault test may stop and start. */
    this.daemons = Object.keys(this.table);
  }

  async up() {
    await needPrograms({ debootstrap: 'debootstrap', unshare: 'util-linux', 'ssh-keygen': 'openssh-client' });
    if (!living(this.name)) await this.boot();
    for (const key of this.daemons) await this.startDaemon(key);
    await until(`${this.name} takes jobs`, () => this.takesJobs());
    await singularityImages(this.name);
  }

  async takesJobs() {
    const states = await inside(this.name, ['sinfo', '-h', '-p', 'normal', '-o', '%T'], { mayFail: true });
    return /idle|mixed|alloc/.test(states ?? '');
  }

  /** Starts the machine afresh: whatever jobs there were ended with the last one. */
  async boot() {
    const lower = await clusterRoot();
    say(`starting the cluster ${this.name} (seconds)`);
    const { work, homes, shims, hostKey } = this;
    await run('rm', ['-rf', '--one-file-system', `${work}/upper`, `${work}/scratch`]);
    const images = at('cluster', 'images');
    for (const folder of [at('ssh'), homes, images]) mkdirSync(folder, { recursive: true, mode: 0o755 });
    clearShims(shims);
    if (!existsSync(hostKey)) await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', hostKey]);
    await makeHomes(homes);
    const binds = { [homes]: '/home', [images]: '/opt/images', [shims]: '/run/shims' };
    try {
      await startMachine(this.name, { lower, work, binds, files: this.files() });
      if (this.accounting) await this.makeAccounts();
    } catch (error) {
      await this.down(); // a machine half made would pass for a whole one next time
      throw error;
    }
  }

  files() {
    const firstJobId = 1000 + (Math.floor(Date.now() / 60_000) % 30_000_000);
    return {
      '/etc/hosts': `127.0.0.1 localhost ${this.name}\n`,
      '/etc/slurm/slurm.conf': slurmConf({ ...this, firstJobId }),
      '/etc/slurm/cgroup.conf': cgroupConf,
      '/etc/slurm/slurmdbd.conf': { text: slurmdbdConf({ ...this, databasePassword }), mode: 0o600 },
      '/etc/ssh/sshd_config': sshdConf(this.ports.ssh),
      '/etc/ssh/host_key': { text: readFileSync(this.hostKey), mode: 0o600 },
      ...shimFiles(),
    };
  }

  async makeAccounts() {
    await this.startDaemon('munged');
    await this.startDaemon('mariadbd');
    const grant = `grant all on slurm_acct_db.* to slurm@localhost identified by '${databasePassword}'`;
    await inside(this.name, ['mariadb', '-e', `create database slurm_acct_db; ${grant}`]);
    await this.startDaemon('slurmdbd');
    const sacctmgr = (...words) => inside(this.name, ['sacctmgr', '-i', '-Q', 'add', ...words]);
    await sacctmgr('cluster', this.clusterName);
    await sacctmgr('account', 'science', `cluster=${this.clusterName}`);
    await sacctmgr('user', ['root', ...Object.keys(people)].join(','), 'account=science');
  }

  async startDaemon(key) {
    const record = `${this.name}-${key}`;
    const daemon = this.table[key];
    if (living(record)) return;
    if (daemon.port) await mustBeFree(daemon.port, record);
    if (daemon.prepare) await inside(this.name, ['sh', '-c', daemon.prepare]);
    await launchInside(this.name, record, daemon.command.split(' '));
    await ready(record, () => isReady(daemon));
  }

  /** An sshd loses its connections too; what they started goes on. */
  async stopDaemon(key) {
    await (key === 'sshd' ? cutSshd(`${this.name}-sshd`) : end(`${this.name}-${key}`));
  }

  async down() {
    await endMachine(this.name);
    for (const key of this.daemons) await end(`${this.name}-${key}`, { how: 'SIGKILL' });
    // Slurm makes control groups for its jobs; they stay when it is killed
    const groups = `${memoryGroups}/slurm_${this.clusterName}`;
    const remove = () => run('find', [groups, '-depth', '-type', 'd', '-delete'], { mayFail: true });
    if (existsSync(groups))
      await until(`${groups} is gone`, async () => (await remove(), !existsSync(groups)));
  }

  async status() {
    const pid = living(this.name) ?? null;
    const state = pid ? 'up' : existsSync(this.work) ? 'down' : 'absent';
    if (state === 'absent') return { state };
    const { name, clusterName, accounting, memoryLimit } = this;
    const account = accounting ? 'science' : null;
    return {
      state,
      host: '127.0.0.1',
      port: this.ports.ssh,
      hostKeyFile: `${this.hostKey}.pub`,
      users: describeHomes(this.homes),
      slurm: {
        clusterName,
        accounting,
        memoryLimit,
        partitions: ['normal', 'closed', 'lent'],
        node: name,
        account,
        ports: this.ports,
      },
      daemons: Object.fromEntries(this.daemons.map((key) => [key, living(`${name}-${key}`) ? 'up' : 'down'])),
      images: imagePaths(),
      shims: this.shims,
      pid,
    };
  }
}

export const withAccounting = new Cluster('hpc-slurm', { accounting: true, memoryLimit: 'kernel' });
export const withoutAccounting = new Cluster('hpc-noacct', { accounting: false, memoryLimit: 'polling' });
