import type { Architecture } from './architecture.ts';
import { bert } from './bert.ts';

/** Every architecture that can be run, by the `model_type` of its `config.json`. */
export const architectures: Readonly<Record<string, Architecture>> = { bert };
