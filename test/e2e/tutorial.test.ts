import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, expect, it } from 'vitest';

import { aKilim, type Kilim } from '../support/kilim.js';

const ROOT = new URL('../..', import.meta.url).pathname;
let kilim: Kilim;

beforeAll(async () => {
  kilim = await aKilim({ seedFile: join(ROOT, 'examples/seed.json') });
  cpSync(join(ROOT, 'examples/img-classify/pictures/star.png'), join(kilim.home, 'apps/star.png'));
  chmodSync(join(kilim.home, 'apps/star.png'), 0o644);
});
afterAll(() => kilim.stop());

/** The unmodified client from PyPI, in a virtual environment that is made once per version. */
function pythonWith(version: string): string {
  const venv = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'kilim', `tapipy-${version}`);
  if (!existsSync(join(venv, 'complete'))) {
    rmSync(venv, { recursive: true, force: true });
    execFileSync('python3', ['-m', 'venv', venv]);
    execFileSync(join(venv, 'bin/pip'), ['-q', 'install', `tapipy==${version}`], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    execFileSync('touch', [join(venv, 'complete')]);
  }
  return join(venv, 'bin/python');
}

it('runs the tutorial with the official TypeScript client', () => {
  execFileSync(process.execPath, [
    join(ROOT, 'node_modules/typescript/bin/tsc'),
    '-p',
    join(ROOT, 'examples'),
  ]);
  const image = join(kilim.home, 'apps/star.png');
  const said = execFileSync(
    process.execPath,
    [join(ROOT, 'dist/examples/tutorial.js'), kilim.url, '--image', image],
    { encoding: 'utf8' },
  );
  expect(said).toContain('star (score = ');
}, 120_000);

it.each(['25.4.0', '1.9.1'])(
  'runs the published tutorial with tapipy %s',
  (version) => {
    const python = pythonWith(version);
    const image = join(kilim.home, 'apps/star.png');
    const said = execFileSync(
      python,
      [join(ROOT, 'examples/tutorial.py'), kilim.url, '--image', image, '--expect', 'star'],
      {
        encoding: 'utf8',
        env: { ...process.env, NO_PROXY: 'localhost,127.0.0.1' },
      },
    );
    expect(said).toContain('star (score = ');
  },
  300_000,
);
