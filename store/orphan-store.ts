/** What runs on a host with our tag though the store has no such job: a backup was restored that is older than the job. */
export interface Orphan {
  systemId: string;
  /** Its name for people. */
  host: string;
  uuid: string;
  /** Processes, a container or a Slurm job, with its ids there. */
  what: string;
  firstSeen: string;
  lastSeen: string;
  /** By an operator: it is left alone and not reported again, or it is ended at the next look. Null: nothing yet. */
  decision: 'adopt' | 'end' | null;
}

/** Where a sweep looks: a host and login user, through one system. */
export interface Place {
  watchKey: string;
  systemId: string;
  host: string;
}

export interface OrphanStore {
  /** Writes down what one look saw; tells what is new, and what an operator wants ended. */
  saveSeen: (
    place: Place,
    seen: readonly { uuid: string; what: string }[],
  ) => Promise<{ fresh: string[]; toEnd: string[] }>;
  /** The oldest first. */
  list: () => Promise<Orphan[]>;
  /** About one, or (null) all about which nothing was decided; returns how many that were. */
  decide: (uuid: string | null, decision: 'adopt' | 'end') => Promise<number>;
  /** It was ended. */
  remove: (place: Place, uuid: string) => Promise<void>;
  /** The database is that of an earlier moment: what was seen of hosts is forgotten, and all that ever had a job are looked at. */
  markRestored: () => Promise<void>;
  restoredAt: () => Promise<string | null>;
}
