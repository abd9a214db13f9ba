"""Measures of two representations in NumPy, SciPy and scikit-learn, see similarity.ts."""

import numpy as np
from harness import serve
from scipy.linalg import orthogonal_procrustes
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


serve(globals())
