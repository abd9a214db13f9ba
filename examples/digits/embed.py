"""Sentence embeddings in two ways, which should agree."""

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from transformers import AutoModel, AutoTokenizer

SENTENCES = ["The cat sat on the mat.", "A feline rested on the rug.", "Rates rose again in May."]

encoder = SentenceTransformer("sentence-transformers/all-MiniLM-L6-v2")

CHECKPOINT = "sentence-transformers/all-MiniLM-L6-v2"
tokenizer = AutoTokenizer.from_pretrained(CHECKPOINT)
model = AutoModel.from_pretrained(CHECKPOINT)


def mean_pooled(sentences: list[str]) -> np.ndarray:
    """Mean of the last hidden state over the tokens of each sentence, scaled to length 1."""
    tokens = tokenizer(sentences, padding=True, return_tensors="pt")
    with torch.no_grad():
        hidden = model(**tokens).last_hidden_state
    mask = tokens["attention_mask"].unsqueeze(-1)
    means = (hidden * mask).sum(1) / mask.sum(1)
    return torch.nn.functional.normalize(means).numpy()


if __name__ == "__main__":
    embeddings = encoder.encode(SENTENCES, normalize_embeddings=True)
    print(np.round(embeddings @ embeddings.T, 2))
    print("largest difference:", np.abs(embeddings - mean_pooled(SENTENCES)).max())
