import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { aKilim, type Kilim } from '../support/kilim.js';
import { pythonWith } from '../support/python.js';
import { cluster, seedFile } from '../support/testbed.js';

const ROOT = new URL('../..', import.meta.url).pathname;
const PICTURE = join(ROOT, 'examples/img-classify/pictures/star.png');
const VERSIONS = ['25.4.0', '1.9.1'];

const PYTHON_ENV = { ...process.env, NO_PROXY: 'localhost,127.0.0.1' };

function inPython(version: string, url: string, args: string[]): string {
  return execFileSync(
    pythonWith('tapipy', version),
    [join(ROOT, 'examples/tutorial.py'), url, '--expect', 'star', ...args],
    { encoding: 'utf8', env: PYTHON_ENV },
  );
}

function inTypeScript(url: string, args: string[]): string {
  execFileSync(process.execPath, [
    join(ROOT, 'node_modules/typescript/bin/tsc'),
    '-p',
    join(ROOT, 'examples'),
  ]);
  return execFileSync(
    process.execPath,
    [join(ROOT, 'dist/examples/tutorial.js'), url, '--expect', 'star', ...args],
    { encoding: 'utf8' },
  );
}

describe('the tutorial on this machine', () => {
  let kilim: Kilim;
  let args: string[];
  beforeAll(async () => {
    kilim = await aKilim({ seedFile: join(ROOT, 'examples/seed.json') });
    const image = join(kilim.home, 'apps/star.png');
    cpSync(PICTURE, image);
    chmodSync(image, 0o644);
    args = ['--image', image];
  });
  afterAll(() => kilim.stop());

  it('runs with the official TypeScript client', () => {
    expect(inTypeScript(kilim.url, args)).toContain('star (score = ');
  }, 120_000);

  it.each(VERSIONS)(
    'runs as it was published with tapipy %s, and what it made is found by searches',
    (version) => {
      expect(inPython(version, kilim.url, args)).toContain('star (score = ');
      const search = [join(ROOT, 'examples/search.py'), kilim.url];
      const found = execFileSync(pythonWith('tapipy', version), search, {
        encoding: 'utf8',
        env: PYTHON_ENV,
      });
      expect(found).toContain("('img-classifier-job', 'FINISHED')");
      expect(found).not.toContain('[]');
    },
    300_000,
  );
});

const clusters = [cluster('hpc-slurm'), cluster('hpc-noacct')];

describe.runIf(clusters[0] && clusters[1])('the tutorial on a VM, then on an HPC machine', () => {
  let kilim: Kilim;
  beforeAll(async () => {
    kilim = await aKilim({ seedFile: seedFile() });
    for (const bed of clusters)
      cpSync(PICTURE, join(bed?.users['alice']?.homeOnThisMachine ?? '', 'star.png'));
  });
  afterAll(() => kilim.stop());

  /** One application, two systems: Singularity by itself, and under Slurm with the profile `tacc`. */
  const both = (hpc: string): string[] => [
    ...['--exec-system', 'vm-singularity', '--hpc-system', hpc],
    ...['--image', '/home/alice/star.png'],
  ];
  const scores = (said: string): number => said.match(/star \(score = /g)?.length ?? 0;

  it.each(['hpc-slurm', 'hpc-noacct'])(
    'runs with the official TypeScript client on %s',
    (hpc) => {
      expect(scores(inTypeScript(kilim.url, both(hpc)))).toBe(2);
    },
    180_000,
  );

  it.each(VERSIONS)(
    'runs as it was published with tapipy %s',
    (version) => {
      expect(scores(inPython(version, kilim.url, both('hpc-slurm')))).toBe(2);
    },
    300_000,
  );
});
