/**
 * What the wrapper of a job executes, in this order, with the exec dir as working directory:
 * `before` (a failure ends the job with that exit code), `run` (started in the background in its own process
 * group and waited for; its exit code is the application's), `after` (runs always; cannot change the code).
 */
export interface RunPhrase {
  before: string[];
  run: string;
  after: string[];
}
