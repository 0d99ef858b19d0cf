import type { Step } from './step.js';

/**
 * Who is locked out, by name: a user of a trusted issuer has no row among the users. `generation` counts how often all
 * tokens of the user were ended; a token carries the one it was issued in.
 */
export const lockouts: Step = () => [
  `create table lockouts (tenant text not null, username text not null, disabled integer not null default 0,
    generation integer not null default 0, revoked_at text, primary key (tenant, username))`,
];
