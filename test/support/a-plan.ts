import type { JobPlan } from '../../domain/jobs/job-plan.js';

/** A plan of a ZIP job; what a test is about is given. */
export const aPlan = (more: Partial<JobPlan> = {}): JobPlan => {
  const use = {
    systemId: 'vm',
    rootDir: '/srv',
    host: 'vm.example',
    port: 22,
    loginUser: 'lu',
    asUser: 'alice',
  };
  return {
    uuid: '11111111-1111-4111-8111-111111111111-007', tenant: 'dev', owner: 'alice', createdby: 'alice', createdbyTenant: 'dev',
    name: 'test', description: 'a test', created: '2026-01-01T00:00:00.000000Z', appId: 'app', appVersion: '1', appOwner: 'alice',
    jobType: 'FORK', runtime: 'ZIP', runtimeOptions: [], containerImage: '/apps/app.zip', containerEngine: 'docker', containerEngineArgs: [],
    keeper: 'process', repeatable: false, exec: use, execSystemExecDir: '/job', execSystemInputDir: '/job', execSystemOutputDir: '/job/output',
    paths: { rootDir: '/srv', execDir: '/srv/job', inputDir: '/srv/job', outputDir: '/srv/job/output' }, archive: use,
    archiveSystemDir: '/job/output', archiveMode: 'ALWAYS', archivesInPlace: true, dtn: null, logicalQueue: null, hpcQueue: null,
    nodeCount: 1, coresPerNode: 1, memoryMB: 100, maxMinutes: 10, isMpi: false, mpiCmd: null, cmdPrefix: null, prefix: '', inputs: [],
    appArgs: [], containerArgs: [], schedulerOptions: [], envNames: [], archiveFilter: { includes: [], excludes: [], includeLaunchFiles: true },
    logConfig: { stdoutFilename: 'tapisjob.out', stderrFilename: 'tapisjob.out' }, moduleLoads: [], hiddenOptions: [], sharedAppCtx: null,
    sharedAppCtxAttribs: [], appMaxJobs: 2147483647, appMaxJobsPerUser: 2147483647, execSystemConstraints: null, dynamicExecSystem: false,
    subscriptions: [], tags: [], notes: {}, ...more,
  }; // prettier-ignore
};

/** A job whose directories are `job` and `job/output` in a folder of this machine, where its scripts can be run. */
export const aPlanIn = (dir: string, more: Partial<JobPlan> = {}): JobPlan => {
  const execDir = `${dir}/job`;
  return aPlan({
    paths: { rootDir: dir, execDir, inputDir: execDir, outputDir: `${execDir}/output` },
    ...more,
  });
};
