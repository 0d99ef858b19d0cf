import { quote } from '../shell.js';
import type { JobPlan } from './job-plan.js';
import { ledgerDir } from './ledger.js';

type Streaming = Pick<JobPlan, 'uuid' | 'paths' | 'logConfig'>;

/** What an application says on one of its outputs, or on both. */
export interface Stream {
  /** The job's own file, absolute: it is opened in the ledger, because another job may have the same output directory. */
  file: string;
  /** How users know it, relative to the output directory: another name of the same file. */
  name: string;
}

/** Standard output first. Where both have one name they are one stream. */
export const streamsOf = (plan: Streaming): Stream[] => {
  const { stdoutFilename, stderrFilename } = plan.logConfig;
  const stream = (file: string, name: string): Stream => ({ file: `${ledgerDir(plan)}/${file}`, name });
  return [
    stream('stdout', stdoutFilename),
    ...(stderrFilename === stdoutFilename ? [] : [stream('stderr', stderrFilename)]),
  ];
};

/** Standard output and error of an application whose scheduler does not open them. */
export const redirection = (plan: Streaming): string => {
  const [out, err] = streamsOf(plan).map(({ file }) => quote(file));
  return err === undefined ? `> ${out} 2>&1` : `> ${out} 2> ${err}`;
};

/**
 * A shell function `show_streams` that gives the files their names in the output directory, whatever another job has put there;
 * the other job's file stays in its own ledger. Where the two directories are no file system with hard links, the name is
 * a link while the application runs (`show_streams now`), and a copy when it has ended (`show_streams`).
 */
export const showStreams = ({ uuid, paths }: Streaming, streams: readonly Stream[]): string =>
  [
    'show_streams() {',
    '  local name',
    ...streams.flatMap(({ file, name }) => [
      `  name=${quote(`${paths.outputDir}/${name}`)}`,
      `  if [ -e ${quote(file)} ] && { [ -L "$name" ] || [ ! ${quote(file)} -ef "$name" ]; }; then`,
      `    ln -fT -- ${quote(file)} "$name" || if [ "$1" = now ]; then ln -sfnT -- ${quote(file)} "$name"; else`,
      `      cp -- ${quote(file)} "$name.${uuid}" && mv -fT -- "$name.${uuid}" "$name"; fi`,
      '  fi',
    ]),
    '  return 0',
    '} 2> /dev/null',
  ].join('\n');
