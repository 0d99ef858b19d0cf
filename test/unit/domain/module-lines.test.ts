import { spawnSync } from 'node:child_process';

import { describe, expect, it } from 'vitest';

import { moduleLines } from '../../../domain/jobs/module-lines.js';
import { loadFaults } from '../../../domain/systems/profile-rules.js';
import type { SchedulerProfile } from '../../../domain/systems/system.js';
import { Profile } from '../../../schemas/system.js';

type Loads = SchedulerProfile['moduleLoads'];

/** The calls of `module` and `ml`, and all else that the lines print. */
const calls = (moduleLoads: Loads): string[] => {
  const fake = 'module() { printf "[%s]" module "$@"; echo; }; ml() { printf "[%s]" ml "$@"; echo; }';
  const script = `${fake}\n${moduleLines({ moduleLoads }).join('\n')}`;
  const { stdout } = spawnSync('bash', ['--noprofile', '--norc', '-c', script], { encoding: 'utf8' });
  return stdout.split('\n').filter(Boolean);
};

describe('the modules of a scheduler profile', () => {
  it('are loaded one by one, by a command of plain words', () => {
    expect(
      calls([{ moduleLoadCommand: 'module load', modulesToLoad: ['gcc/12.2.0', 'openmpi@4+x'] }]),
    ).toEqual(['[module][load][gcc/12.2.0]', '[module][load][openmpi@4+x]']);
    expect(calls([{ moduleLoadCommand: 'ml  -q purge', modulesToLoad: [] }])).toEqual(['[ml][-q][purge]']);
    expect(calls([{ moduleLoadCommand: 'no-such-command load', modulesToLoad: ['x'] }])).toEqual([]);
  });

  it.each([
    ['module; echo broken', 'x'],
    ['module load $(echo broken)', 'x'],
    ['module && echo broken', 'x'],
    ["module ' ; echo broken ; '", 'x'],
    ['A=b echo broken', 'x'],
    ['-v echo broken', 'x'],
    ['eval', '; echo broken'],
    ['module load', '--force'],
  ])('are left out where an older release accepted other text: %s %s', (moduleLoadCommand, name) => {
    expect(calls([{ moduleLoadCommand, modulesToLoad: [name] }])).toEqual([]);
  });

  it('are loaded by a quoted command, which the shell takes for no keyword', () => {
    expect(calls([{ moduleLoadCommand: 'if module load', modulesToLoad: [] }, { moduleLoadCommand: 'ml', modulesToLoad: ['x'] }])).toEqual(['[ml][x]']); // prettier-ignore
  });

  it.each<[string, Partial<Loads[number]>]>([
    ['moduleLoadCommand', { moduleLoadCommand: 'module; module load' }],
    ['moduleLoadCommand', { moduleLoadCommand: 'module load $HOME/x' }],
    ['moduleLoadCommand', { moduleLoadCommand: 'A=b module load' }],
    ['moduleLoadCommand', { moduleLoadCommand: '-v module' }],
    ['moduleLoadCommand', { moduleLoadCommand: 'module\tload' }],
    ['modulesToLoad', { modulesToLoad: ['--force'] }],
    ['modulesToLoad', { modulesToLoad: ['gcc', 'a b'] }],
    ['modulesToLoad', { modulesToLoad: ['$(id)'] }],
  ])('are refused by the %s %j', (field, more) => {
    const load = { moduleLoadCommand: 'module load', modulesToLoad: ['gcc'], ...more };
    const parsed = Profile.safeParse({ name: 'p', moduleLoads: [load] });
    expect(new Set(parsed.error?.issues.map(({ path }) => path[2]))).toEqual(new Set([field]));
    expect(loadFaults(load)).toEqual([expect.stringContaining(field)]);
  });
});
