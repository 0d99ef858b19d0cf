import type { Step } from './step.js';

/**
 * What a host says counts only for the jobs that were launched on it. Jobs under way are bound to the host key that is pinned for
 * their system, and watched by their system and login. What was kept by the older watch keys is asked for again. A credential counts
 * only at the address that it was given for: those of before, where their system is now.
 */
export const bound: Step = ({ isPostgres }) => {
  const exec = (name: string): string =>
    isPostgres ? `(plan::jsonb #>> '{exec,${name}}')` : `json_extract(plan, '$.exec.${name}')`;
  // as `watchKey` does; the plans of before do not tell of a static login
  const part = (text: string): string => `replace(replace(${text}, '%', '%25'), ':', '%3A')`;
  const key = ['tenant', exec('systemId'), exec('loginUser'), exec('asUser')].map(part).join(` || ':' || `);
  const ofSystem = (name: string): string => {
    const value = isPostgres ? `doc::jsonb ->> '${name}'` : `json_extract(doc, '$.${name}')`;
    const type = name === 'port' ? 'integer' : 'text';
    return `(select cast(${value} as ${type}) from systems where systems.tenant = credentials.tenant and systems.id = credentials.system_id)`;
  };
  return [
    'alter table jobs add column launched_on text',
    `update jobs set watch_key = 'watch:' || ${key}`,
    `update jobs set launched_on = (select host_key from systems where systems.tenant = jobs.tenant and systems.id = jobs.exec_system_id)
      where ended is null and remote_job_id is not null`,
    'delete from host_snapshots',
    'delete from probes',
    "alter table credentials add column host text not null default ''",
    'alter table credentials add column port integer not null default 0',
    `update credentials set ${['host', 'port'].map((name) => `${name} = coalesce(${ofSystem(name)}, ${name})`).join(', ')}`,
  ];
};
