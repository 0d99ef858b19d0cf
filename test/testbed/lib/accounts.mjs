import { randomBytes } from 'node:crypto';
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { at } from './settings.mjs';
import { run } from './run.mjs';

/** The account's line in the password file, as an object. */
export function account(name) {
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((text) => text.startsWith(`${name}:`));
  if (!line) return undefined;
  const [, , uid, gid, , home] = line.split(':');
  return { name, uid: Number(uid), gid: Number(gid), home };
}

/** Makes an ordinary account whose home is ours. */
export async function needAccount(name, home) {
  if (!account(name)) {
    await run('useradd', [
      '--no-create-home',
      '--home-dir',
      home,
      '--shell',
      '/bin/bash',
      '--user-group',
      name,
    ]);
    await run('usermod', ['-p', '*', name]); // `!`, the default, would lock out key logins too
  }
  const { uid, gid } = account(name);
  mkdirSync(home, { recursive: true });
  chownSync(home, uid, gid);
  chmodSync(home, 0o750);
  return account(name);
}

export async function needGroup(name, members) {
  await run('groupadd', ['--force', name]);
  for (const member of members) if (account(member)) await run('usermod', ['-a', '-G', name, member]);
}

/** A key pair below keys/; returns the paths. */
export async function needKeyPair(name, owner) {
  mkdirSync(at('keys'), { recursive: true, mode: 0o700 });
  const privateKeyFile = at('keys', name);
  if (!existsSync(privateKeyFile))
    await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', owner, '-f', privateKeyFile]);
  return { privateKeyFile, publicKeyFile: `${privateKeyFile}.pub` };
}

/** Puts the public key where sshd looks for it. */
export function letIn({ publicKeyFile }, { home, uid, gid }) {
  const folder = `${home}/.ssh`;
  mkdirSync(folder, { recursive: true });
  writeFileSync(`${folder}/authorized_keys`, readFileSync(publicKeyFile));
  for (const [path, mode] of [
    [folder, 0o700],
    [`${folder}/authorized_keys`, 0o600],
  ]) {
    chownSync(path, uid, gid);
    chmodSync(path, mode);
  }
}

/** A generated secret that stays the same; kept in a file only root reads. */
export function needSecret(name) {
  mkdirSync(at('keys'), { recursive: true, mode: 0o700 });
  const file = at('keys', name);
  if (!existsSync(file)) writeFileSync(file, randomBytes(12).toString('hex'), { mode: 0o600 });
  return { file, value: readFileSync(file, 'utf8') };
}
