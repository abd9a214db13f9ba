// `npm test`: everything that CI runs, from whatever state the checkout is in.
import { runUnderRequiredNode } from '../src-core/cli/node-version.mjs';

await runUnderRequiredNode(import.meta.url, './run-tests.mjs');
