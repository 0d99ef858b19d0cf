import type { JobPlan } from '../domain/jobs/job-plan.js';
import { moduleLines } from '../domain/jobs/module-lines.js';
import { quote } from '../domain/shell.js';
import { failsAs } from './fails-as.js';
import { ABSENT, getOnce, plainName, waitForImage, type Image } from './get-once.js';
import { isNamed } from './image-names.js';
import type { Preparation } from './runtime.js';

/** As a shell word that is never an option; a path that is not absolute begins at the exec dir. */
export const imageWord = ({ containerImage }: Pick<JobPlan, 'containerImage'>): string => {
  if (isNamed(containerImage)) return `"$HOME/.kilim/images/${plainName(containerImage)}.sif"`;
  return quote(containerImage.startsWith('/') ? containerImage : `./${containerImage}`);
};

/** Sites have one or the other. */
export const FIND_TOOL = 'export tool=$(command -v singularity || command -v apptainer || echo singularity)';

export const prepareImage = (plan: JobPlan): Preparation =>
  // login nodes of some sites have no Singularity: there the job's own script pulls
  isNamed(plan.containerImage) ? getOnce(plan, pulled(plan), plan.jobType === 'BATCH') : find(plan);

export const imageLines = (plan: JobPlan): string[] =>
  isNamed(plan.containerImage) && plan.jobType === 'BATCH' ? [waitForImage(plan, pulled(plan))] : [];

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
    get: `"$tool" pull --force --disable-cache${noHttps} -- "$work/part.sif" ${quote(plan.containerImage)} && mv -f "$work/part.sif" ${file}`,
    clean: 'rm -f "$work/part.sif"',
  };
}
