"""Debiased linear CKA in NumPy, see cka.ts."""

import numpy as np
from harness import serve


def centred(path):
    x = np.load(path)
    return x - x.mean(axis=0)


def feature_hsic(product, x, y):
    """HSIC₁ up to its divisor from ‖XᵀY‖²_F and squared row norms (Kornblith et al., their code)."""
    n = len(x)
    return product - n / (n - 2) * np.dot(x, y) + x.sum() * y.sum() / ((n - 1) * (n - 2))


def feature_cka(x, y):
    p, q = np.einsum("ij,ij->i", x, x), np.einsum("ij,ij->i", y, y)
    xy = feature_hsic(np.linalg.norm(x.T @ y) ** 2, p, q)
    xx = feature_hsic(np.linalg.norm(x.T @ x) ** 2, p, p)
    yy = feature_hsic(np.linalg.norm(y.T @ y) ** 2, q, q)
    return xy / np.sqrt(xx * yy)


def feature_form(sides):
    return feature_cka(*(centred(path) for path in sides))


def u_centred(path):
    x = centred(path)
    n = len(x)
    k = x @ x.T
    np.fill_diagonal(k, 0)
    rows = k.sum(axis=0, dtype=float) / (n - 2)
    shift = (rows - rows.sum() * (n - 2) / ((n - 1) * (n - 2)) / 2).astype(k.dtype)
    k -= shift
    k -= shift[:, None]
    np.fill_diagonal(k, 0)
    return k


def gram_form(sides):
    k, l = (u_centred(path) for path in sides)
    return np.vdot(k, l) / np.sqrt(np.vdot(k, k) * np.vdot(l, l))


def permutation_null(sides, permutations):
    k, l = (u_centred(path) for path in sides)
    norm = np.sqrt(np.vdot(k, k) * np.vdot(l, l))
    observed = np.vdot(k, l) / norm
    rng = np.random.default_rng(0)
    null = np.empty(permutations)
    for draw in range(permutations):
        p = rng.permutation(len(l))
        null[draw] = np.vdot(k, l[p][:, p]) / norm
    assert null.std() > 0
    return observed


def all_pairs(sides):
    """Each Gram matrix once, and all inner products as one product of matrices."""
    layers = [centred(path) for side in sides for path in side]
    n, count = len(layers[0]), len(layers)
    grams = np.empty((count, n, n), layers[0].dtype)
    for k, x in zip(grams, layers):
        np.matmul(x, x.T, out=k)
    norms = np.stack([k.diagonal() for k in grams]).astype(float)
    for k in grams:
        np.fill_diagonal(k, 0)
    flat = grams.reshape(count, -1)
    # Rows of a centred Gram matrix add up to zero with their diagonal.
    totals = norms.sum(axis=1)
    h = flat @ flat.T + np.outer(totals, totals) / ((n - 1) * (n - 2)) - 2 * norms @ norms.T / (n - 2)
    split = len(sides[0])
    return (h / np.sqrt(np.outer(h.diagonal(), h.diagonal())))[:split, split:]


def pair_by_pair(sides):
    """What a loop over layers with a function for two of them does."""
    first, second = ([centred(path) for path in side] for side in sides)
    return np.array([[feature_cka(x, y) for y in second] for x in first])


serve(globals())
