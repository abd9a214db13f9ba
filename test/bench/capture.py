"""Mean-pooled hidden states of every layer with PyTorch, transformers and forward hooks.

Usage: capture.py MODEL_FOLDER TEXTS OUT.safetensors THREADS BATCH [sorted]

TEXTS holds one text a line. With `sorted` texts of like length share a batch. Prints one JSON line:
seconds from loading the model to the written file, by the clock and of the processor, with the imports
left out.
"""

import json
import sys
import time
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import AutoModel, AutoTokenizer

folder, texts_path, out, threads, batch = sys.argv[1:6]
by_length = sys.argv[6:] == ["sorted"]
torch.set_num_threads(int(threads))
texts = Path(texts_path).read_text(encoding="utf8").splitlines()

begun = time.perf_counter()
busy = time.process_time()
tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModel.from_pretrained(folder).eval()
captured: dict[str, torch.Tensor] = {}


def keep(name):
    def hook(_module, _inputs, output):
        captured[name] = output[0] if isinstance(output, tuple) else output

    return hook


model.embeddings.register_forward_hook(keep("embeddings"))
for number, layer in enumerate(model.encoder.layer):
    layer.register_forward_hook(keep(f"layers.{number}.resid_post"))

order = list(range(len(texts)))
ids = tokenizer(texts, truncation=True, max_length=256)["input_ids"]
if by_length:
    order.sort(key=lambda index: len(ids[index]))
rows: dict[str, torch.Tensor] = {}
with torch.inference_mode():
    for start in range(0, len(order), int(batch)):
        chosen = order[start : start + int(batch)]
        feeds = tokenizer.pad({"input_ids": [ids[index] for index in chosen]}, return_tensors="pt")
        model(**feeds)
        mask = feeds["attention_mask"].unsqueeze(-1).float()
        for name, value in captured.items():
            pooled = (value * mask).sum(1) / mask.sum(1)
            rows.setdefault(name, torch.empty(len(texts), value.shape[-1]))[chosen] = pooled
save_file(rows, out)
print(json.dumps({"seconds": time.perf_counter() - begun, "busy": time.process_time() - busy}))
