"""How often do models agree? python compare_seeds.py images.npy (n x 784, values from 0 to 1)"""

import sys

import numpy as np
import onnxruntime as ort

MODEL_DIR = "models"
MLP = f"{MODEL_DIR}/mlp-seed0.onnx"
SAME_BUT_SEED = f"{MODEL_DIR}/mlp-seed1.onnx"
EARLY = f"{MODEL_DIR}/mlp-barely-trained.onnx"
INT8 = MODEL_DIR + "/mlp-seed0-int8.onnx"


def labels(session: ort.InferenceSession, images: np.ndarray) -> np.ndarray:
    (probabilities,) = session.run(["probabilities"], {"image": images})
    return probabilities.argmax(axis=1)


if __name__ == "__main__":
    images = np.load(sys.argv[1]).astype(np.float32)
    reference = labels(ort.InferenceSession(MLP), images)
    others = {
        "another seed": ort.InferenceSession(SAME_BUT_SEED),
        "barely trained": ort.InferenceSession(EARLY),
        "int8": ort.InferenceSession(INT8),
    }
    for name, session in others.items():
        agreement = (labels(session, images) == reference).mean()
        print(f"{name}: the same digit for {agreement:.1%} of the images")
