/**
 * What runs on a host with the tag of this installation, though the store has no such job: the store was restored from a
 * backup that is older than the job.
 */
export interface Orphan {
  systemId: string;
  /** The name of the host in messages: login and address. */
  host: string;
  uuid: string;
  /** The processes, the container or the Slurm job, with their ids on the host. */
  what: string;
  firstSeen: string;
  lastSeen: string;
  /**
   * The decision of an operator: `adopt` leaves it alone and reports it no more, `end` ends it at the next look. Null: no
   * decision yet.
   */
  decision: 'adopt' | 'end' | null;
}

/** The place that a sweep looks at: a host and a login user, reached through one system. */
export interface Place {
  watchKey: string;
  systemId: string;
  host: string;
}

export interface OrphanStore {
  /** Writes down what one look saw. Returns the uuids that are new, and those that an operator decided to end. */
  saveSeen: (
    place: Place,
    seen: readonly { uuid: string; what: string }[],
  ) => Promise<{ fresh: string[]; toEnd: string[] }>;
  /** All orphans, the oldest first. */
  list: () => Promise<Orphan[]>;
  /** Decides about one uuid, or with null about all that have no decision yet. Returns the number of uuids. */
  decide: (uuid: string | null, decision: 'adopt' | 'end') => Promise<number>;
  /** Removes an orphan that was ended. */
  remove: (place: Place, uuid: string) => Promise<void>;
  /**
   * Marks that the database was restored and shows an earlier moment. What was seen of hosts is forgotten, and the sweeps
   * look at every host that ever had a job.
   */
  markRestored: () => Promise<void>;
  /** The instant of the last restore; null where there was none. */
  restoredAt: () => Promise<string | null>;
}
