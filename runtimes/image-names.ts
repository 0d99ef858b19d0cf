import { hasUserInfo, NO_LOGIN, shownUrl } from '../domain/files/shown-url.js';

/** `[registry[:port]/]name[:tag][@digest]`, in the characters that engines allow; an IPv6 registry stands in brackets. */
const REFERENCE =
  /^(\[[0-9A-Fa-f:]+\]|[A-Za-z0-9][A-Za-z0-9._-]*)(:[0-9]+(?=\/))?(\/[A-Za-z0-9][A-Za-z0-9._-]*)*(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(@[A-Za-z0-9][A-Za-z0-9+._-]*:[A-Fa-f0-9]{32,128})?$/;
const LONGEST = 4096;

/** An image of Docker or Podman. A name that does not begin with a letter or digit could be taken for an option. */
export const referenceFaults = (image: string): string[] =>
  image.length <= LONGEST && REFERENCE.test(image)
    ? []
    : [
        `containerImage: "${shownUrl(image)}" must be the name of an image: [registry[:port]/]name[:tag][@digest]`,
      ];

const NAMED = /^(docker|library|oras|shub|https?):\/\/./;
/** After the scheme: a name or address, then the characters of which URLs and references are made. */
const REMOTE = /^[a-z]+:\/\/[A-Za-z0-9[][A-Za-z0-9._~:/?#@!$&'()*+,;=%[\]-]*$/;

/** An image of Singularity with a name is pulled; everything else is a path on the host: a file or a folder. */
export const isNamed = (image: string): boolean => NAMED.test(image);

/** An image of Singularity or Apptainer. */
export function singularityFaults(image: string): string[] {
  const says = (rule: string): string[] => [`containerImage: "${shownUrl(image)}" ${rule}`];
  if (hasUserInfo(image)) return says(NO_LOGIN);
  if (isNamed(image))
    return REMOTE.test(image) ? [] : says('has a character that the name of an image cannot have');
  if (/^[a-z][a-z0-9+.-]*:/i.test(image))
    return says(
      'must be a path on the execution system or begin with docker://, library://, oras://, shub:// or https://',
    );
  return image === '' || image.startsWith('-') ? says('must be a path that does not begin with -') : [];
}
