import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { needGroup } from '../lib/accounts.mjs';
import { unmountBelow } from '../lib/mounts.mjs';
import { needPrograms } from '../lib/packages.mjs';
import { commandLine, end, endAll, launch, living, ready } from '../lib/processes.mjs';
import { run, say } from '../lib/run.mjs';
import { at, bridgeAddress, tag } from '../lib/settings.mjs';
import { busyboxTar, debianTar } from '../lib/rootfs.mjs';
import { exampleFiles } from '../lib/example.mjs';

const name = 'docker';
const folder = at('docker');
export const socket = at('docker', 'docker.sock');
const group = `kilim-docker${tag}`;
const bridge = `kilimbr${tag || 0}`;
const images = {
  busybox: 'kilim/busybox:test',
  debian: 'kilim/debian:test',
  imgClassify: 'kilim/img-classify:0.0.1',
};

const docker = (args, options) =>
  run('docker', ['-H', `unix://${socket}`, ...args], {
    ...options,
    env: { ...process.env, DOCKER_BUILDKIT: '0', ...options?.env },
  });

const label = (image) =>
  docker(['image', 'inspect', '--format', '{{index .Config.Labels "kilim.made-from"}}', image], {
    mayFail: true,
  });

/** A bridge of our own and no packet-filter rules: the machine's own network is left alone. */
async function needBridge() {
  if (existsSync(`/sys/class/net/${bridge}`)) return;
  await run('ip', ['link', 'add', bridge, 'type', 'bridge']);
  await run('ip', ['address', 'add', bridgeAddress, 'dev', bridge]);
  await run('ip', ['link', 'set', bridge, 'up']);
}

/** The engine switches forwarding on, and warns at every container where it may not; `down` undoes it. */
const forwarding = '/proc/sys/net/ipv4/ip_forward';
const wasForwarding = at('docker', 'ip-forward-before');

function rememberForwarding() {
  if (!existsSync(wasForwarding)) writeFileSync(wasForwarding, readFileSync(forwarding, 'utf8'));
}

function restoreForwarding() {
  if (!existsSync(wasForwarding)) return;
  writeFileSync(forwarding, readFileSync(wasForwarding, 'utf8'));
  rmSync(wasForwarding);
}

async function start() {
  if (living(name)) return;
  mkdirSync(folder, { recursive: true });
  rmSync(at('docker', 'docker.pid'), { force: true });
  rememberForwarding();
  await needBridge();
  const places = [
    '--data-root',
    at('docker', 'data'),
    '--exec-root',
    at('docker', 'exec'),
    '--pidfile',
    at('docker', 'docker.pid'),
  ];
  const network = ['--bridge', bridge, '--iptables=false', '--ip-masq=false'];
  launch(name, 'dockerd', ['-H', `unix://${socket}`, '--group', group, ...places, ...network], {
    env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` },
  });
  await ready(
    name,
    async () =>
      existsSync(socket) && (await docker(['version', '-f', '{{.Server.Version}}'], { mayFail: true })),
    60,
  );
}

async function importImage(image, tar, ...changes) {
  const stamp = readFileSync(`${tar}.made-from`, 'utf8');
  if ((await label(image)) === stamp) return;
  say(`making the image ${image}`);
  const all = [...changes, `LABEL kilim.made-from=${stamp}`];
  await docker(['import', ...all.flatMap((change) => ['--change', change]), tar, image]);
}

/** The example application's image, from its own Dockerfile on our base; again when its files changed. */
async function buildExample() {
  const example = exampleFiles();
  if (!example) return say(`no examples/img-classify/Dockerfile yet: no image ${images.imgClassify}`);
  if ((await label(images.imgClassify)) === example.hash) return;
  say(`building the image ${images.imgClassify} (seconds)`);
  const args = [
    '--build-arg',
    `BASE=${images.debian}`,
    '--label',
    `kilim.made-from=${example.hash}`,
    '--network=host',
  ];
  await docker(['build', '-q', ...args, '-t', images.imgClassify, example.folder], { log: 'docker-build' });
  await docker(['image', 'prune', '-f']); // the one that lost its name
}

/** The example's image as a tar of its root file system, and what it executes: the source of other images. */
export async function exampleRoot() {
  await dockerEngine.up();
  const tar = at('cache', 'img-classify.tar');
  const container = await docker(['create', images.imgClassify]);
  await docker(['export', '-o', tar, container]);
  await docker(['rm', container]);
  const { Entrypoint, Cmd } = JSON.parse(
    await docker(['image', 'inspect', '--format', '{{json .Config}}', images.imgClassify]),
  );
  return { tar, entrypoint: Entrypoint ?? Cmd };
}

async function down() {
  if (living(name)) {
    const running = (await docker(['ps', '-q'], { mayFail: true }))?.split('\n').filter(Boolean) ?? [];
    if (running.length > 0) await docker(['kill', ...running], { mayFail: true });
    await end(name, { seconds: 30 });
  }
  // a shim outlives an engine that was killed; the private path in its command line makes it ours
  await endAll('container shims', (pid) => commandLine(pid).includes(at('docker', 'exec')));
  await unmountBelow(folder);
  if (existsSync(`/sys/class/net/${bridge}`)) await run('ip', ['link', 'delete', bridge], { mayFail: true });
  restoreForwarding();
}

/** A Docker Engine of our own, with images made here. */
export const dockerEngine = {
  name,
  async up() {
    await needPrograms({
      dockerd: 'docker.io',
      ip: 'iproute2',
      busybox: 'busybox-static',
      debootstrap: 'debootstrap',
    });
    await needPrograms({ docker: 'docker-cli' }); // a package of its own in newer releases
    const hasCompose = (await run('docker', ['compose', 'version'], { mayFail: true })) !== undefined;
    if (!hasCompose) await needPrograms({ 'docker-compose': 'docker-compose' });
    await needGroup(group, [`kilim-vm${tag}`]);
    if (!living(name)) say('starting the Docker Engine');
    await start();
    await importImage(images.busybox, await busyboxTar(), 'CMD ["/bin/sh"]');
    await importImage(images.debian, await debianTar(), 'CMD ["/bin/bash"]');
    await buildExample();
  },
  start,
  stop: down,
  down,
  async status() {
    const state = living(name) ? 'up' : existsSync(folder) ? 'down' : 'absent';
    if (state !== 'up') return { state };
    const made = {};
    for (const [key, image] of Object.entries(images))
      made[key] = (await label(image)) === undefined ? null : image;
    const version = await docker(['version', '-f', '{{.Server.Version}}'], { mayFail: true });
    return { state, socket, DOCKER_HOST: `unix://${socket}`, version, group, images: made };
  },
};
