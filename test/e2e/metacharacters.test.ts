import { execFileSync } from 'node:child_process';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { aKilim, type Kilim } from '../support/kilim.js';
import { part } from '../support/testbed.js';

/** Whatever a shell might do with it leaves a file behind. */
const NASTY = 'a b\'"$(touch pwned-1)`touch pwned-2`;touch pwned-3;|touch pwned-4&touch pwned-5 #*~é\\';
const LINES = 'one\ntouch pwned-6\n$(touch pwned-7)';

const script = `printf '%s' "$VALUE"`;
const base = {
  appArgs: [{ arg: `'eval "$SCRIPT"'` }],
  envVariables: [
    { key: 'SCRIPT', value: script },
    { key: 'VALUE', value: NASTY },
  ],
};

/** Every text of a request that reaches a host, or stands in a script. */
const fields: [string, Record<string, unknown>][] = [
  ['name', { name: NASTY }],
  ['description', { description: `${NASTY}${LINES}` }],
  ['tags', { tags: [NASTY] }],
  ['notes', { notes: { [NASTY]: LINES } }],
  ['execSystemExecDir', { execSystemExecDir: `nasty/${NASTY}` }],
  ['execSystemInputDir', { execSystemInputDir: `nasty/in ${NASTY}` }],
  ['execSystemOutputDir', { execSystemOutputDir: `nasty/out ${NASTY}` }],
  ['archiveSystemDir', { archiveSystemDir: `nasty/archive ${NASTY}` }],
  ['log file', { parameterSet: { ...base, logConfig: { stdoutFilename: `${NASTY}.out`.replaceAll('/', ''), stderrFilename: 'e' } } }],
  ['archive filter', { parameterSet: { ...base, archiveFilter: { includes: [NASTY, '*'], excludes: [`x${NASTY}`] } } }],
  ['appArgs', { parameterSet: { ...base, appArgs: [...base.appArgs, { arg: NASTY }] } }],
  ['value of several lines', { parameterSet: { ...base, envVariables: [{ key: 'SCRIPT', value: script }, { key: 'VALUE', value: LINES }] } }],
  ['key of a variable', { parameterSet: { ...base, envVariables: [...base.envVariables, { key: 'A$(touch pwned-8)', value: '' }] } }],
  ['source of an input', { fileInputs: [{ name: 'x', sourceUrl: `tapis://vm/${NASTY}`, targetPath: 'x', optional: false }] }],
  ['target of an input', { fileInputs: [{ name: 'x', sourceUrl: 'tapis://vm/nasty-source', targetPath: `t/${NASTY}` }] }],
  ['containerArgs', { parameterSet: { ...base, containerArgs: [{ arg: `--tapis-zip-save ${NASTY}` }] } }],
  ['cmdPrefix', { cmdPrefix: NASTY }],
  ['schedulerOptions', { parameterSet: { ...base, schedulerOptions: [{ arg: `--account ${NASTY}` }] } }],
]; // prettier-ignore

const vm = part('vm-ssh');
describe.runIf(vm)('what a shell would take for a command', () => {
  let kilim: Kilim;
  const home = vm?.home ?? '';
  const pwned = (): string =>
    execFileSync('find', [home, '/tmp', '-maxdepth', '8', '-name', 'pwned-*'], { encoding: 'utf8' });

  beforeAll(async () => {
    kilim = await aKilim();
    await kilim.call('POST', '/v3/files/ops/vm', { path: 'nasty-source' });
    expect(pwned()).toBe('');
  }, 60_000);
  afterAll(() => kilim.stop());

  it.each(fields)('as %s is a text or refused, and never runs', async (_field, more) => {
    const request = { name: 'nasty', appId: 'zip-app', appVersion: '1', execSystemId: 'vm', parameterSet: base, ...more }; // prettier-ignore
    const { status, message, result } = await kilim.call('POST', '/v3/jobs/submit', request);
    expect([200, 400]).toContain(status);
    if (status === 400)
      expect(message).toMatch(/^\S.*: /); // names the field
    else {
      const { uuid } = result as { uuid: string };
      const end = await Promise.any(['FINISHED', 'FAILED'].map((word) => kilim.until(uuid, word)));
      if (end.status === 'FINISHED' && !('parameterSet' in more))
        expect(await kilim.output(uuid)).toBe(NASTY);
    }
    expect(pwned()).toBe('');
  });

  it.each([
    ['mkdir', 'POST', '/v3/files/ops/vm', { path: `nasty/${NASTY}` }],
    ['list', 'GET', `/v3/files/ops/vm/${encodeURIComponent(`nasty/${NASTY}`)}`, undefined],
    ['move', 'PUT', '/v3/files/ops/vm/nasty-source', { operation: 'COPY', newPath: `nasty/to ${NASTY}` }],
    ['delete', 'DELETE', `/v3/files/ops/vm/${encodeURIComponent(`nasty/${NASTY}`)}`, undefined],
  ])('in a path to %s is a name', async (_what, method, path, body) => {
    const { status } = await kilim.call(method, path, body);
    expect(status).toBe(200);
    expect(pwned()).toBe('');
  });
});
