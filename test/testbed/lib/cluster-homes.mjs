import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { letIn, needKeyPair } from './accounts.mjs';
import { people } from './cluster-rootfs.mjs';
import { run } from './run.mjs';
import { at } from './settings.mjs';

/** Many sites greet people, and their start-up files take their time. */
const startUpFiles = { carol: 'echo "Welcome to the cluster. Please read the news."\nsleep 0.15\n' };

/** The homes of a cluster's people; what they hold stays when the cluster is started anew. */
export async function makeHomes(folder) {
  for (const [name, { uid }] of Object.entries(people)) {
    const home = `${folder}/${name}`;
    const isNew = !existsSync(home);
    mkdirSync(home, { recursive: true });
    if (isNew && startUpFiles[name]) writeFileSync(`${home}/.bashrc`, startUpFiles[name]);
    letIn(await needKeyPair(name, name), { home, uid, gid: uid });
    if (isNew) await run('chown', ['-R', `${uid}:${uid}`, home]);
    chmodSync(home, 0o750);
  }
}

/** Where the people and their keys are, inside and seen from this machine. */
export const describeHomes = (folder) =>
  Object.fromEntries(
    Object.keys(people).map((name) => [
      name,
      {
        home: `/home/${name}`,
        homeOnThisMachine: `${folder}/${name}`,
        privateKeyFile: at('keys', name),
        publicKeyFile: at('keys', `${name}.pub`),
      },
    ]),
  );
