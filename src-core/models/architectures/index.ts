import type { Architecture } from './architecture.ts';
import { bert } from './bert.ts';
import { clip, clipText, clipVision } from './clip.ts';
import { dinov2 } from './dinov2.ts';
import { distilbert } from './distilbert.ts';
import { gemma2 } from './gemma2.ts';
import { gptNeox } from './gpt-neox.ts';
import { gpt2 } from './gpt2.ts';
import { llama, mistral, qwen2, qwen3 } from './llama.ts';
import { mpnet } from './mpnet.ts';
import { phi3 } from './phi3.ts';
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
  gemma2,
  gpt2,
  gpt_neox: gptNeox,
  llama,
  mistral,
  mpnet,
  mt5: t5,
  phi3,
  qwen2,
  qwen3,
  roberta,
  t5,
  vit,
  'xlm-roberta': roberta,
};
