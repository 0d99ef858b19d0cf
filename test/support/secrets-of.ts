import type { Kilim } from './kilim.js';

/** Paths of files on the job's host that hold values of the job's environment, as Kilim itself lists them. */
export async function secretsOf({ get, call }: Kilim, system: string, uuid: string): Promise<string[]> {
  const { execSystemExecDir } = (await get(uuid)) as unknown as { execSystemExecDir: string };
  const folders = [execSystemExecDir, `${execSystemExecDir}/.kilim/${uuid}`];
  const listed = await Promise.all(folders.map((folder) => call('GET', `/v3/files/ops/${system}/${folder}`)));
  const names = listed.flatMap(({ status, result }) =>
    status === 200 ? (result as { path: string }[]).map(({ path }) => path) : [],
  );
  return names.filter((path) => path.endsWith('.env'));
}
