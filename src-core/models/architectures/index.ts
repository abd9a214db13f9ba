import type { Architecture } from './architecture.ts';
import { bert } from './bert.ts';
import { clip, clipText, clipVision } from './clip.ts';
import { dinov2 } from './dinov2.ts';
import { distilbert } from './distilbert.ts';
import { mpnet } from './mpnet.ts';
import { roberta } from './roberta.ts';
import { t5 } from './t5.ts';
import { vit } from './vit.ts';

/** Every architecture that can be run, by the `model_type` of its `config.json`. */
export const architectures: Readonly<Record<string, Architecture>> = {
  bert,
  camembert: roberta,
  clip,
  clip_text_model: clipText,
  clip_vision_model: clipVision,
  dinov2,
  distilbert,
  mpnet,
  mt5: t5,
  roberta,
  t5,
  vit,
  'xlm-roberta': roberta,
};
