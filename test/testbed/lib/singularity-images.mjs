import { chmodSync, existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { exampleFiles } from './example.mjs';
import { inside } from './machine.mjs';
import { busyboxTar } from './rootfs.mjs';
import { run, say } from './run.mjs';
import { at } from './settings.mjs';
import { exampleRoot } from '../parts/docker.mjs';

const folder = at('cluster', 'images');
const file = (image) => `${folder}/${image}.sif`;
const stampOf = (image) =>
  existsSync(`${file(image)}.made-from`) ? readFileSync(`${file(image)}.made-from`, 'utf8') : undefined;

/** Where the images are inside the clusters. */
export const imagePaths = () => ({
  busybox: existsSync(file('busybox')) ? '/opt/images/busybox.sif' : null,
  busyboxOnThisMachine: existsSync(file('busybox')) ? file('busybox') : null,
  imgClassify: existsSync(file('img-classify')) ? '/opt/images/img-classify.sif' : null,
});

/** Builds an image as alice, an ordinary user, from a tar; `start` is the shell text of what `run` and `instance start` execute. */
async function build(machine, image, madeFrom, { tar, start }) {
  say(`building the Singularity image ${image} (seconds)`);
  const work = at('cluster', machine, 'home/alice/building');
  await run('sh', [
    '-c',
    'rm -rf "$1" && mkdir "$1" && cp "$2" "$1/root.tar" && chown -R 23001:23001 "$1"',
    'sh',
    work,
    tar,
  ]);
  const script = `
set -e
cd ~/building
mkdir root
tar -xf root.tar -C root --exclude='dev/*' --exclude='./dev/*' --no-same-owner --no-same-permissions
chmod -R u+rwX root
mkdir -p root/.singularity.d
for script in runscript startscript; do
  printf '%s\\n' '#!/bin/sh' ${quote(start)} > root/.singularity.d/$script
  chmod 755 root/.singularity.d/$script
done
singularity build image.sif root`;
  try {
    await inside(machine, ['su', '-', 'alice', '-c', script], { log: `singularity-${image}` });
    await run('cp', [`${work}/image.sif`, `${file(image)}.new`]);
  } finally {
    await run('rm', ['-rf', work]);
  }
  chmodSync(`${file(image)}.new`, 0o644);
  renameSync(`${file(image)}.new`, file(image));
  writeFileSync(`${file(image)}.made-from`, madeFrom);
}

const quote = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

/** Makes the images that are missing or whose source changed. */
export async function singularityImages(machine) {
  if (stampOf('busybox') !== 'busybox-2')
    await build(machine, 'busybox', 'busybox-2', { tar: await busyboxTar(), start: 'exec "$@"' });
  const example = exampleFiles();
  if (!example) return say('no examples/img-classify/Dockerfile yet: no Singularity image of it');
  if (stampOf('img-classify') === example.hash) return;
  const { tar, entrypoint } = await exampleRoot();
  await build(machine, 'img-classify', example.hash, {
    tar,
    start: `exec ${entrypoint.map(quote).join(' ')} "$@"`,
  });
  await run('rm', ['-f', tar]);
}
