"""Read the digit in a picture: python classify.py picture.png"""

import sys

import numpy as np
import onnxruntime as ort
from PIL import Image, ImageOps

session = ort.InferenceSession("models/mlp-seed0.onnx")


def read_digit(path: str) -> np.ndarray:
    """The picture as the model takes it: 28 x 28 pixels from 0 to 1, bright ink on dark."""
    picture = ImageOps.autocontrast(Image.open(path).convert("L")).resize((28, 28))
    pixels = np.asarray(picture, dtype=np.float32) / 255
    if pixels.mean() > 0.5:
        pixels = 1 - pixels
    return pixels.reshape(1, 784)


def classify(image: np.ndarray) -> tuple[int, float]:
    """The most probable digit and its probability."""
    (probabilities,) = session.run(["probabilities"], {"image": image})
    digit = int(probabilities[0].argmax())
    return digit, float(probabilities[0, digit])


if __name__ == "__main__":
    for path in sys.argv[1:]:
        digit, probability = classify(read_digit(path))
        print(f"{path}: {digit} ({probability:.0%})")
