import { withAccounting, withoutAccounting } from './cluster.mjs';
import { dockerEngine } from './docker.mjs';
import { podmanEngine } from './podman.mjs';
import { postgres } from './postgres.mjs';
import { storeSsh, vmSsh } from './sshd.mjs';

/** Every part, in the order in which they start. */
export const parts = [
  vmSsh,
  storeSsh,
  dockerEngine,
  podmanEngine,
  postgres,
  withAccounting,
  withoutAccounting,
];

/** The words of the command line. */
const groups = { ssh: [vmSsh, storeSsh], cluster: [withAccounting, withoutAccounting] };

/** @throws Error for a word that names no part */
export function named(words) {
  if (words.length === 0) return parts;
  const wanted = words.flatMap(
    (word) => groups[word] ?? parts.find(({ name }) => name === word) ?? unknown(word),
  );
  return parts.filter((part) => wanted.includes(part));
}

function unknown(word) {
  throw new Error(
    `no part is called ${word}; there are: ${[...Object.keys(groups), ...parts.map(({ name }) => name)].join(', ')}`,
  );
}
