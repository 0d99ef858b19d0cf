import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** An image registry with one image of one layer: what `docker://HOST:PORT/NAME:TAG` needs, and what was asked of it. */
export interface Registry {
  /** `127.0.0.1:PORT` */
  address: string;
  asked: string[];
  close: () => void;
}

const digestOf = (data: Buffer): string => `sha256:${createHash('sha256').update(data).digest('hex')}`;

/** Serves busybox under every name that does not begin with `missing`; `slowMs` is what a layer takes. */
export async function aRegistry(slowMs = 0): Promise<Registry> {
  const layer = busyboxLayer();
  const platform = { architecture: process.arch === 'arm64' ? 'arm64' : 'amd64', os: 'linux' };
  const config = Buffer.from(
    JSON.stringify({ ...platform, config: { Entrypoint: [], Cmd: ['/bin/sh'] }, rootfs: { type: 'layers', diff_ids: [digestOf(layer)] } }),
  ); // prettier-ignore
  const described = (kind: string, data: Buffer) => ({
    mediaType: `application/vnd.oci.image.${kind}`,
    digest: digestOf(data),
    size: data.length,
  });
  const manifest = Buffer.from(
    JSON.stringify({ schemaVersion: 2, mediaType: MANIFEST, config: described('config.v1+json', config), layers: [described('layer.v1.tar', layer)] }),
  ); // prettier-ignore
  const blobs = new Map([layer, config, manifest].map((data) => [digestOf(data), data]));
  const asked: string[] = [];
  const server = createServer(({ method, url = '' }, response) => {
    asked.push(`${method} ${url}`);
    if (url === '/v2/') return void response.end('{}');
    if (url.startsWith('/v2/missing')) {
      response.writeHead(404, { 'Content-Type': 'application/json' });
      return void response.end('{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}');
    }
    const isManifest = url.includes('/manifests/');
    const data = blobs.get(url.split('/').at(-1) ?? '') ?? (isManifest ? manifest : undefined);
    response.writeHead(data ? 200 : 404, {
      'Content-Type': isManifest ? MANIFEST : 'application/octet-stream',
      'Content-Length': data?.length ?? 0,
      ...(data ? { 'Docker-Content-Digest': digestOf(data) } : {}),
    });
    setTimeout(() => response.end(method === 'HEAD' ? undefined : data), data === layer ? slowMs : 0);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';

function busyboxLayer(): Buffer {
  const root = mkdtempSync(join(tmpdir(), 'kilim-layer-'));
  try {
    mkdirSync(join(root, 'bin'));
    cpSync('/bin/busybox', join(root, 'bin/busybox'));
    for (const name of ['sh', 'cat', 'sleep', 'ls', 'env', 'printf', 'mkdir']) symlinkSync('busybox', join(root, 'bin', name));
    execFileSync('tar', ['-C', root, '--owner=0', '--group=0', '-cf', `${root}.tar`, 'bin']);
    return readFileSync(`${root}.tar`);
  } finally {
    rmSync(root, { recursive: true });
    rmSync(`${root}.tar`, { force: true });
  }
} // prettier-ignore
