import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { account, letIn, needAccount, needKeyPair, needSecret } from '../lib/accounts.mjs';
import { needPrograms } from '../lib/packages.mjs';
import { cutSshd, endAll, launch, living, ready, uidOf } from '../lib/processes.mjs';
import { answers, mustBeFree, run, say } from '../lib/run.mjs';
import { at, ports, tag } from '../lib/settings.mjs';
import { socket } from './docker.mjs';

/** An sshd of our own for one ordinary user. MaxSessions and MaxStartups stay as Debian ships them. */
function sshHost(name, user, port, extra) {
  const home = at('home', user);
  const key = at('keys', name);
  const hostKey = at('ssh', `${name}-host-key`);
  const passwordFile = at('keys', `${name}-password`);

  const config = () => `
Port ${port}
ListenAddress 127.0.0.1
HostKey ${hostKey}
PidFile none
UsePAM no
PermitRootLogin no
AllowUsers ${user}
AuthorizedKeysFile .ssh/authorized_keys
PasswordAuthentication yes
KbdInteractiveAuthentication no
PrintMotd no
Subsystem sftp internal-sftp
${extra}
`;

  async function start() {
    if (living(name)) return;
    await mustBeFree(port, name);
    mkdirSync('/run/sshd', { recursive: true, mode: 0o755 }); // sshd's own place to be locked up in
    launch(name, '/usr/sbin/sshd', ['-D', '-e', '-f', at('ssh', `${name}.conf`)]);
    await ready(name, () => answers(port));
  }

  return {
    name,
    async up() {
      if (living(name)) return;
      await needPrograms({ '/usr/sbin/sshd': 'openssh-server', 'ssh-keygen': 'openssh-client' });
      say(`starting ${name}`);
      const owner = await needAccount(user, home);
      letIn(await needKeyPair(name, user), owner);
      await run('chpasswd', [], { input: `${user}:${needSecret(`${name}-password`).value}\n` });
      mkdirSync(at('ssh'), { recursive: true });
      if (!existsSync(hostKey)) await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', hostKey]);
      writeFileSync(at('ssh', `${name}.conf`), config());
      await start();
    },
    start,
    /** The listener and its connections; what they started goes on. */
    stop: () => cutSshd(name),
    async down() {
      await cutSshd(name);
      const uid = account(user)?.uid;
      if (uid !== undefined) await endAll(`processes of ${user}`, (pid) => uidOf(pid) === uid);
    },
    async status() {
      const state = living(name) ? 'up' : existsSync(hostKey) ? 'down' : 'absent';
      if (state === 'absent') return { state };
      const files = {
        privateKeyFile: key,
        publicKeyFile: `${key}.pub`,
        passwordFile,
        hostKeyFile: `${hostKey}.pub`,
      };
      return { state, host: '127.0.0.1', port, user, home, ...files };
    },
  };
}

export const vmSsh = sshHost('vm-ssh', `kilim-vm${tag}`, ports.vmSsh, `SetEnv DOCKER_HOST=unix://${socket}`);
export const storeSsh = sshHost('store-ssh', `kilim-store${tag}`, ports.storeSsh, '');
