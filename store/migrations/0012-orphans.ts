import type { Step } from './step.js';

/** What runs on hosts with our tag and has no job, what an operator decided about it, and when a backup was restored. */
export const orphans: Step = () => [
  `create table orphans (watch_key text not null, system_id text not null, uuid text not null, host text not null,
    what text not null, first_seen text not null, last_seen text not null, decision text,
    primary key (watch_key, system_id, uuid))`,
  'create table marks (name text primary key, at text not null)',
];
