import { execFileSync } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** The path of a Python with this unmodified package of PyPI, in a virtual environment that is made once per version. */
export function pythonWith(name: string, version: string): string {
  const cache = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache');
  const venv = join(cache, 'kilim', `${name}-${version}`);
  if (!existsSync(join(venv, 'complete'))) {
    rmSync(venv, { recursive: true, force: true });
    execFileSync('python3', ['-m', 'venv', venv]);
    execFileSync(join(venv, 'bin/pip'), ['-q', 'install', `${name}==${version}`], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    execFileSync('touch', [join(venv, 'complete')]);
  }
  return join(venv, 'bin/python');
}
