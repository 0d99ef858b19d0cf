import type { JobPlan } from '../domain/jobs/job-plan.js';
import { moduleLines } from '../domain/jobs/module-lines.js';
import { quote } from '../domain/shell.js';
import { failsAs } from './fails-as.js';
import { ABSENT, getOnce, plainName, waitForImage, type Image } from './get-once.js';
import type { Preparation } from './runtime.js';

type Imaged = Pick<JobPlan, 'containerImage'>;

/** An image with a name is pulled; everything else is a path on the host: a file or a folder. */
const isNamed = ({ containerImage }: Imaged): boolean =>
  /^(docker|library|oras|shub|https?):\/\/./.test(containerImage);

export const imageFaults = ({ containerImage }: Imaged): string[] =>
  isNamed({ containerImage }) || !/^[a-z][a-z0-9+.-]*:/i.test(containerImage)
    ? []
    : [
        `containerImage: "${containerImage}" must be a path on the execution system or begin with docker://, library://, oras://, shub:// or https://`,
      ];

/** As a shell word; a path that is not absolute begins at the exec dir. */
export const imageWord = (plan: Imaged): string =>
  isNamed(plan) ? `"$HOME/.kilim/images/${plainName(plan.containerImage)}.sif"` : quote(plan.containerImage);

/** Sites have one or the other. */
export const FIND_TOOL = 'export tool=$(command -v singularity || command -v apptainer || echo singularity)';

export const prepareImage = (plan: JobPlan): Preparation =>
  // login nodes of some sites have no Singularity: there the job's own script pulls
  isNamed(plan) ? getOnce(plan, pulled(plan), plan.jobType === 'BATCH') : find(plan);

export const imageLines = (plan: JobPlan): string[] =>
  isNamed(plan) && plan.jobType === 'BATCH' ? [waitForImage(plan, pulled(plan))] : [];

const find = (plan: JobPlan): Preparation => ({
  line: `cd ${quote(plan.paths.execDir)} && [ -r ${imageWord(plan)} ] || { echo "it is not there or not readable on this host" >&2; exit 66; }`,
  parse: failsAs(`The image ${plan.containerImage} cannot be had`),
});

function pulled(plan: JobPlan): Image {
  const file = imageWord(plan);
  const noHttps = plan.containerArgs.some(({ arg }) => arg.trim() === '--nohttps') ? ' --no-https' : '';
  return {
    name: plan.containerImage,
    work: `${file.slice(0, -1)}.pull"`,
    isThere: `[ -s ${file} ]`,
    find: [
      ...moduleLines(plan),
      FIND_TOOL,
      `command -v "$tool" > /dev/null || { echo "neither singularity nor apptainer is installed on this host" >&2; return ${ABSENT}; }`,
    ],
    // its own cache would keep everything a second time
    get: `"$tool" pull --force --disable-cache${noHttps} "$work/part.sif" ${quote(plan.containerImage)} && mv -f "$work/part.sif" ${file}`,
    clean: 'rm -f "$work/part.sif"',
  };
}
