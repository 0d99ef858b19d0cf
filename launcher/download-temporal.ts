import { TestWorkflowEnvironment } from '@temporalio/testing';

// A program of its own (`download-temporal.js VERSION FOLDER`), so that a download that hangs can be ended.
const [version = '', downloadDir = ''] = process.argv.slice(2);
const env = await TestWorkflowEnvironment.createLocal({
  server: {
    executable: { type: 'cached-download', version, downloadDir },
    log: { format: 'pretty', level: 'error' },
  },
});
await env.teardown();
