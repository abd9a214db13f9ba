"""Dimension, and precision and recall, with the Python peers, see geometry.ts."""

import contextlib
import sys

import numpy as np
import skdim
from dadapy import Data
from harness import serve
from prdc import compute_prdc
from sklearn.neighbors import NearestNeighbors


def scikit_dimension(sides):
    return skdim.id.TwoNN().fit(np.load(sides[0])).dimension_


def dadapy(sides):
    return Data(coordinates=np.load(sides[0]), maxk=2).compute_id_2NN()[0]


def scikit_learn(sides):
    """Its exact search, which multiplies blocks and keeps the nearest as it goes."""
    x = np.load(sides[0])
    search = NearestNeighbors(n_neighbors=2, algorithm="brute", n_jobs=-1).fit(x)
    distances, _ = search.kneighbors()
    return fit(distances[:, 1] / distances[:, 0])


def numpy_blocks(sides, block=1000):
    x = np.load(sides[0])
    x = x - x.mean(axis=0)
    norms = np.einsum("ij,ij->i", x, x)
    ratios = []
    for start in range(0, len(x), block):
        part = x[start : start + block]
        d = norms[start : start + block, None] + norms - 2 * (part @ x.T)
        d[np.arange(len(part)), np.arange(start, start + len(part))] = np.inf
        two = np.sqrt(np.partition(d, 1, axis=1)[:, :2])
        ratios.append(two[:, 1] / two[:, 0])
    return fit(np.concatenate(ratios))


def fit(ratios, discard=0.1):
    logs = np.sort(np.log(ratios.astype(float)))
    n = len(logs)
    logs = logs[: int(n * (1 - discard))]
    y = -np.log(1 - np.arange(1, len(logs) + 1) / n)
    return logs @ y / (logs @ logs)


def prdc(sides, k):
    # It prints what it is given.
    with contextlib.redirect_stdout(sys.stderr):
        x, y = (np.load(path) for path in sides)
        return compute_prdc(real_features=x, fake_features=y, nearest_k=k)["precision"]


serve(globals())
