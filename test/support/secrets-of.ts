import type { Kilim } from './kilim.js';

/** Files with the values of a job's environment, as Kilim itself sees them on the job's host. */
export async function secretsOf({ get, call }: Kilim, system: string, uuid: string): Promise<string[]> {
  const { execSystemExecDir } = (await get(uuid)) as unknown as { execSystemExecDir: string };
  const folders = [execSystemExecDir, `${execSystemExecDir}/.kilim/${uuid}`];
  const listed = await Promise.all(folders.map((folder) => call('GET', `/v3/files/ops/${system}/${folder}`)));
  const names = listed.flatMap(({ status, result }) =>
    status === 200 ? (result as { path: string }[]).map(({ path }) => path) : [],
  );
  return names.filter((path) => path.endsWith('.env'));
}
