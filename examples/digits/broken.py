"""Two mistakes on purpose: see what the editor says about them before anything runs."""

import onnxruntime as ort


def load_absent() -> ort.InferenceSession:
    return ort.InferenceSession("models/does-not-exist.onnx")


def load_cut_off() -> ort.InferenceSession:
    # The first 1,000 bytes of mlp-seed0.onnx, as an interrupted download leaves them.
    return ort.InferenceSession("models/truncated.onnx")
