// `npm start`: the product on its demo workspace, from whatever state the checkout is in.
import { runUnderRequiredNode } from '../src-core/cli/node-version.mjs';

await runUnderRequiredNode(import.meta.url, './open-demo.mjs');
