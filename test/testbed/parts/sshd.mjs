import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { account, letIn, needAccount, needKeyPair, needSecret } from '../lib/accounts.mjs';
import { needPrograms } from '../lib/packages.mjs';
import { cutSshd, endAll, launch, living, ready, uidOf } from '../lib/processes.mjs';
import { answers, mustBeFree, run, say } from '../lib/run.mjs';
import { at, ports, tag } from '../lib/settings.mjs';
import { socket } from './docker.mjs';

/** An sshd of our own for one ordinary user. MaxSessions and MaxStartups stay as Debian ships them. */
class SshHost {
  constructor(name, { user, port, environment }) {
    this.name = name;
    this.user = user;
    this.port = port;
    this.environment = environment;
    this.home = at('home', user);
    this.hostKey = at('ssh', `${name}-host-key`);
    this.configFile = at('ssh', `${name}.conf`);
    this.passwordName = `${name}-password`;
  }

  config() {
    return `
Port ${this.port}
ListenAddress 127.0.0.1
HostKey ${this.hostKey}
PidFile none
UsePAM no
PermitRootLogin no
AllowUsers ${this.user}
AuthorizedKeysFile .ssh/authorized_keys
PasswordAuthentication yes
KbdInteractiveAuthentication no
PrintMotd no
Subsystem sftp internal-sftp
${this.environment ? `SetEnv ${this.environment}` : ''}
`;
  }

  async up() {
    if (living(this.name)) return;
    await needPrograms({ '/usr/sbin/sshd': 'openssh-server', 'ssh-keygen': 'openssh-client' });
    say(`starting ${this.name}`);
    const owner = await needAccount(this.user, this.home);
    letIn(await needKeyPair(this.name, this.user), owner);
    await run('chpasswd', [], { input: `${this.user}:${needSecret(this.passwordName).value}\n` });
    mkdirSync(at('ssh'), { recursive: true });
    if (!existsSync(this.hostKey))
      await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', this.hostKey]);
    writeFileSync(this.configFile, this.config());
    await this.start();
  }

  async start() {
    if (living(this.name)) return;
    await mustBeFree(this.port, this.name);
    mkdirSync('/run/sshd', { recursive: true, mode: 0o755 }); // sshd's own place to be locked up in
    launch(this.name, '/usr/sbin/sshd', ['-D', '-e', '-f', this.configFile]);
    await ready(this.name, () => answers(this.port));
  }

  /** Ends the listener and its connections; what they started goes on. */
  async stop() {
    await cutSshd(this.name);
  }

  async down() {
    await this.stop();
    const uid = account(this.user)?.uid;
    // the account is the test bed's own: what its jobs left behind ends too
    if (uid !== undefined) await endAll(`processes of ${this.user}`, (pid) => uidOf(pid) === uid);
  }

  async status() {
    const state = living(this.name) ? 'up' : existsSync(this.hostKey) ? 'down' : 'absent';
    if (state === 'absent') return { state };
    return {
      state,
      host: '127.0.0.1',
      port: this.port,
      user: this.user,
      home: this.home,
      privateKeyFile: at('keys', this.name),
      publicKeyFile: at('keys', `${this.name}.pub`),
      passwordFile: at('keys', this.passwordName),
      hostKeyFile: `${this.hostKey}.pub`,
    };
  }
}

const dockerHost = `DOCKER_HOST=unix://${socket}`;
export const vmSsh = new SshHost('vm-ssh', {
  user: `kilim-vm${tag}`,
  port: ports.vmSsh,
  environment: dockerHost,
});
export const storeSsh = new SshHost('store-ssh', { user: `kilim-store${tag}`, port: ports.storeSsh });
