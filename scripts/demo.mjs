// `npm run demo [-- --keep]`: a real job from submission to archived outputs, on this machine.
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { prepare, root } from './prepare.mjs';

await prepare();
await import(pathToFileURL(join(root, 'dist', 'launcher', 'demo.js')).href);
