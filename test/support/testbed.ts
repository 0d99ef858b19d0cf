/** The real parts of the test bed, as `npm test` found them; with CI=true a missing one fails the run. */
interface Part {
  state: string;
  port?: number;
  user?: string;
  home?: string;
  privateKeyFile?: string;
  DATABASE_URL?: string;
  DOCKER_HOST?: string;
}

const parts =
  (JSON.parse(process.env['KILIM_TESTBED'] ?? '{}') as { parts?: Record<string, Part> }).parts ?? {};

export const part = (name: 'vm-ssh' | 'store-ssh' | 'docker' | 'postgres'): Part | null => {
  const found = parts[name];
  return found?.state === 'up' ? found : null;
};
