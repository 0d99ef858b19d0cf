// `npm run bench -- list | NAME… [--option number]`: measures, and prints JSON.
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { prepare, root } from './prepare.mjs';

await prepare();
await import(pathToFileURL(join(root, 'dist', 'bench', 'main.js')).href);
