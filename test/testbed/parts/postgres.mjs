import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { account, needSecret } from '../lib/accounts.mjs';
import { needPrograms } from '../lib/packages.mjs';
import { end, launch, living, ready } from '../lib/processes.mjs';
import { mustBeFree, run, say } from '../lib/run.mjs';
import { at, ports } from '../lib/settings.mjs';

const name = 'postgres';
const port = ports.postgres;
const data = at('postgres', 'data');
const role = 'kilim';
const database = 'kilim';
const installed = '/usr/lib/postgresql';

/** The newest installed version's programs. */
function programs() {
  const versions = existsSync(installed) ? readdirSync(installed) : [];
  const complete = versions.filter((version) => existsSync(join(installed, version, 'bin/initdb')));
  const newest = complete.sort((a, b) => Number(b) - Number(a))[0];
  return newest && join(installed, newest, 'bin');
}

/** As the system's user postgres: the server refuses to run as root. */
function asPostgres() {
  const { uid, gid } = account('postgres');
  return { uid, gid, cwd: '/' };
}

const sql = (text, db = 'postgres') =>
  run(
    join(programs(), 'psql'),
    ['-X', '-q', '-t', '-A', '-v', 'ON_ERROR_STOP=1', '-h', at('postgres'), '-p', port, '-d', db, '-c', text],
    asPostgres(),
  );

async function create() {
  say('making a PostgreSQL cluster');
  const { uid, gid } = account('postgres');
  mkdirSync(at('postgres'), { recursive: true });
  chownSync(at('postgres'), uid, gid);
  chmodSync(at('postgres'), 0o755);
  const auth = ['--auth-local=peer', '--auth-host=scram-sha-256'];
  await run(
    join(programs(), 'initdb'),
    ['-D', data, '-E', 'UTF8', '--locale=C.UTF-8', ...auth],
    asPostgres(),
  );
}

async function start() {
  if (living(name)) return;
  await mustBeFree(port, name);
  const settings = [
    'listen_addresses=127.0.0.1',
    `unix_socket_directories=${at('postgres')}`,
    'max_connections=200',
  ];
  const args = ['-D', data, '-p', String(port), ...settings.flatMap((setting) => ['-c', setting])];
  launch(name, join(programs(), 'postgres'), args, asPostgres());
  await ready(name, async () => (await sql('select 1').catch(() => '')) === '1');
}

/** A PostgreSQL cluster of our own; the role may create databases, so that every test can have one. */
export const postgres = {
  name,
  async up() {
    if (living(name)) return;
    await needPrograms(programs() ? {} : { [`${installed}/any`]: 'postgresql' });
    if (!existsSync(join(data, 'PG_VERSION'))) await create();
    say('starting PostgreSQL');
    await start();
    const password = needSecret('postgres-password').value;
    if ((await sql(`select 1 from pg_roles where rolname = '${role}'`)) === '')
      await sql(`create role ${role} login createdb`);
    await sql(`alter role ${role} password '${password}'`);
    if ((await sql(`select 1 from pg_database where datname = '${database}'`)) === '')
      await sql(`create database ${database} owner ${role}`);
  },
  start,
  stop: () => end(name, { how: 'SIGINT', seconds: 20 }), // the fast shutdown
  down: () => end(name, { how: 'SIGINT', seconds: 20 }),
  async status() {
    const state = living(name) ? 'up' : existsSync(join(data, 'PG_VERSION')) ? 'down' : 'absent';
    if (state === 'absent') return { state };
    const password = needSecret('postgres-password').value;
    const url = `postgres://${role}:${password}@127.0.0.1:${port}/${database}`;
    return { state, host: '127.0.0.1', port, user: role, database, DATABASE_URL: url };
  },
};
