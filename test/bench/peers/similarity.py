"""Measures of two representations in Python, see similarity.ts."""

import numpy as np
from dadapy import MetricComparisons
from harness import serve
from scipy.linalg import orthogonal_procrustes
from scipy.spatial.distance import cdist
from sklearn.neighbors import NearestNeighbors


def unit(path):
    x = np.load(path)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def overlap(near, k):
    first, second = near
    shared = sum(len(np.intersect1d(p, q, assume_unique=True)) for p, q in zip(first, second))
    return shared / (len(first) * k)


def mutual_numpy(sides, k):
    """Inner products of all, the k largest by partition, in float32."""
    near = []
    for path in sides:
        x = unit(path)
        products = x @ x.T
        np.fill_diagonal(products, -np.inf)
        near.append(np.argpartition(products, -k, axis=1)[:, -k:])
    return overlap(near, k)


def mutual_sklearn(sides, k):
    near = []
    for path in sides:
        x = unit(path)
        model = NearestNeighbors(n_neighbors=k, algorithm="brute", n_jobs=-1).fit(x)
        near.append(model.kneighbors(return_distance=False))
    return overlap(near, k)


def centred(path):
    x = np.load(path).astype(np.float64)
    return x - x.mean(axis=0)


def angle_numpy(sides):
    x, y = (centred(path) for path in sides)
    return np.arccos(np.linalg.norm(x.T @ y, "nuc") / (np.linalg.norm(x) * np.linalg.norm(y)))


def angle_scipy(sides):
    """The way of netrep: the rotation first, then the angle."""
    x, y = (centred(path) for path in sides)
    turn, _ = orthogonal_procrustes(y, x)
    return np.arccos(np.vdot(x, y @ turn) / (np.linalg.norm(x) * np.linalg.norm(y)))


def cca_numpy(sides):
    bases = []
    for path in sides:
        u, s, _ = np.linalg.svd(centred(path), full_matrices=False)
        bases.append(u[:, s > 1e-10 * s[0]])
    return np.linalg.svd(bases[0].T @ bases[1], compute_uv=False).mean()


def cca_qr(sides):
    """Without a look at the rank."""
    bases = [np.linalg.qr(centred(path))[0] for path in sides]
    return np.linalg.svd(bases[0].T @ bases[1], compute_uv=False).mean()


def dcor_scipy(sides):
    """The package dcor takes n² × d numbers of memory for such distances: 31 GiB here."""
    centred_distances = []
    for path in sides:
        x = np.load(path).astype(np.float64)
        a = cdist(x, x)
        rows = a.mean(axis=0)
        a -= rows
        a -= rows[:, None] - rows.mean()
        centred_distances.append(a)
    a, b = centred_distances
    return np.sqrt(np.vdot(a, b) / np.sqrt(np.vdot(a, a) * np.vdot(b, b)))


def imbalance_dadapy(sides):
    x, y = (np.load(path).astype(np.float64) for path in sides)
    (forward, _), _ = MetricComparisons(coordinates=x).return_information_imbalace(
        y, subset_size=len(x)
    )
    return forward


serve(globals())
