"""Representational similarity in SciPy and rsatoolbox, see rsa.ts."""

import numpy as np
from harness import serve
from rsatoolbox.data import Dataset
from rsatoolbox.rdm import calc_rdm, compare
from scipy.spatial.distance import pdist, squareform
from scipy.stats import rankdata, spearmanr


def correlation_distances(path):
    """As scipy.spatial.distance.pdist(x, "correlation"), by one product of matrices."""
    x = np.load(path)
    x = x - x.mean(axis=1, keepdims=True)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    return 1 - (x @ x.T)[np.triu_indices(len(x), 1)]


def scipy(sides):
    return spearmanr(*(pdist(np.load(path), "correlation") for path in sides))[0]


def numpy(sides):
    return spearmanr(*(correlation_distances(path) for path in sides))[0]


def rsatoolbox(sides):
    rdms = [calc_rdm(Dataset(np.load(path)), method="correlation") for path in sides]
    return compare(*rdms, method="spearman")


def mantel(sides, permutations):
    """Ranks once, permuted as matrices."""
    a, b = (rankdata(correlation_distances(path)) for path in sides)
    a = (a - a.mean()) / np.linalg.norm(a - a.mean())
    b = squareform((b - b.mean()) / np.linalg.norm(b - b.mean()))
    upper = np.triu_indices(len(b), 1)
    rng = np.random.default_rng(0)
    null = np.empty(permutations)
    for draw in range(permutations):
        p = rng.permutation(len(b))
        null[draw] = a @ b[p][:, p][upper]
    assert null.std() > 0
    return a @ b[upper]


def all_pairs(sides):
    """Every layer's ranks once, all inner products as one product of matrices."""
    first, second = (
        np.stack([rankdata(correlation_distances(path)) for path in side]) for side in sides
    )
    for ranks in (first, second):
        ranks -= ranks.mean(axis=1, keepdims=True)
        ranks /= np.linalg.norm(ranks, axis=1, keepdims=True)
    return first @ second.T


serve(globals())
