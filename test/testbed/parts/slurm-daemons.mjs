import { inside } from '../lib/machine.mjs';
import { answers } from '../lib/run.mjs';

/** A cluster's daemons in the order in which they start; each stays in the foreground. */
export function daemonsOf(name, { ports, accounting }) {
  const succeeds = (...command) => inside(name, command, { mayFail: true });
  const accountingDaemons = {
    mariadbd: {
      command: 'mariadbd --user=mysql --skip-networking --socket=/run/mysqld/mysqld.sock',
      prepare: 'install -d -o mysql -g mysql /run/mysqld',
      isReady: () => succeeds('mariadb-admin', 'ping'),
    },
    slurmdbd: { command: 'slurmdbd -D', port: ports.slurmdbd },
  };
  return {
    munged: {
      command: 'setpriv --reuid=munge --regid=munge --clear-groups munged --foreground',
      prepare: 'install -d -o munge -g munge /run/munge',
      isReady: () => succeeds('sh', '-c', 'munge -n | unmunge'),
    },
    ...(accounting ? accountingDaemons : {}),
    slurmctld: {
      command: 'slurmctld -D',
      port: ports.slurmctld,
      isReady: async () => (await succeeds('scontrol', 'ping'))?.includes('is UP'),
    },
    slurmd: { command: `slurmd -D -N ${name}`, port: ports.slurmd },
    sshd: { command: '/usr/sbin/sshd -D -e', prepare: 'install -d -m 755 /run/sshd', port: ports.ssh },
  };
}

/** Without a look of its own, a daemon is ready when its port answers. */
export const isReady = (daemon) => (daemon.isReady ? daemon.isReady() : answers(daemon.port));
