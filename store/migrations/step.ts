/** One change of the schema; never changed itself after a release. The same text on both databases but for what is given. */
export type Step = (on: { serial: string; isPostgres: boolean }) => string[];
