import { z } from 'zod';
import { readConfig, type Architecture } from './architecture.ts';
import { bertConfig, bertEncoder } from './bert.ts';
import type { Network, Node } from './network.ts';

const configSchema = bertConfig.extend({ pad_token_id: z.int().nonnegative().default(1) });

/** Real tokens count up from `padding` + 1; padding (told by its token) has the position `padding`. */
export function positionsAfterPadding(net: Network, ids: Node, padding: number): Node {
  const pad = net.int(padding);
  const real = net.op('Cast', [net.op('Not', [net.op('Equal', [ids, pad])])], {
    to: { to: 'int64' },
  });
  const count = net.op('CumSum', [real, net.int(1)]);
  return net.op('Add', [net.op('Mul', [count, real]), pad]);
}

/**
 * RoBERTa (Liu et al. 2019), XLM-RoBERTa and CamemBERT: BERT whose positions start after the padding
 * token's number, and whose tokens are all of the first type.
 */
export const roberta: Architecture = (config, weights) => {
  const fields = readConfig(configSchema, config);
  return bertEncoder(fields, weights, {
    positions: (net, ids) => positionsAfterPadding(net, ids, fields.pad_token_id),
    types: (net) => net.ints(0),
  });
};
