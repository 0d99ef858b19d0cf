export { runJob } from './run-job.js';
export { watch } from './watch.js';
