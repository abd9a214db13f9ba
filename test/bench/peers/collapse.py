"""Neural collapse in NumPy, and by the package neural_collapse where there is one; see collapse.ts."""

import numpy as np
from harness import serve


def unit(m):
    return m / np.linalg.norm(m, axis=1, keepdims=True)


def read(sides, labels, W, b):
    return np.load(sides[0]), np.loadtxt(labels, dtype=np.int64), np.load(W), np.load(b)[:, 0]


def moments(x, y):
    """Class means, and rows less the mean of their class, by one sort of the labels."""
    order = np.argsort(y, kind="stable")
    x, y = x[order], y[order]
    starts = np.flatnonzero(np.r_[True, y[1:] != y[:-1]])
    counts = np.diff(np.r_[starts, len(y)])
    means = np.add.reduceat(x, starts, axis=0, dtype=np.float64) / counts[:, None]
    rest = x - means.astype(np.float32)[y]
    return x, counts, starts, means, rest


def symmetric(centred, means):
    """Cosines and lengths, their spreads, and the distance from a simplex."""
    k = len(centred)
    lengths = np.linalg.norm(centred, axis=1)
    off = ~np.eye(k, dtype=bool)
    cosines = (unit(centred) @ unit(centred).T)[off]
    gram = centred @ centred.T
    target = (np.eye(k) - 1 / k) / np.sqrt(k - 1)
    return (
        lengths.std() / lengths.mean(),
        cosines.std(),
        np.abs(cosines + 1 / (k - 1)).mean(),
        np.linalg.norm(gram / np.linalg.norm(gram) - target),
    )


def decisions(x, means, W, b):
    nearest = (x @ means.T.astype(np.float32) - (means**2).sum(1).astype(np.float32) / 2).argmax(1)
    return (nearest != (x @ W.T + b).argmax(1)).mean()


def parts(sides, labels, W, b):
    x, y, W, b = read(sides, labels, W, b)
    x, counts, starts, means, rest = moments(x, y)
    centred = means - means.mean(0)
    within = (rest.T @ rest).astype(np.float64) / len(x)
    between = centred.T @ centred / len(means)
    nc1 = np.trace(within @ np.linalg.pinv(between, hermitian=True)) / len(means)
    nc2 = symmetric(centred, means)
    nc3 = ((W / np.linalg.norm(W) - centred / np.linalg.norm(centred)) ** 2).sum()
    nc4 = decisions(x, means, W, b)
    return rest, counts, starts, means, centred, within, between, nc1, nc2, nc3, nc4, W


def four_values(sides, **files):
    return parts(sides, **files)[7]


def every_value(sides, **files):
    rest, counts, starts, means, centred, within, between, *_, W = parts(sides, **files)
    k = len(means)
    squares = np.einsum("ij,ij->i", rest, rest)
    var = np.add.reduceat(squares, starts, dtype=np.float64) / counts
    apart = (means**2).sum(1)[:, None] + (means**2).sum(1) - 2 * means @ means.T
    upper = np.triu_indices(k, 1)
    cdnv = ((var[:, None] + var) / 2)[upper] / apart[upper]
    u = unit(centred)
    logs = -0.5 * np.log((2 - 2 * u @ u.T)[upper])
    inner = (W * centred).sum(1)
    assert np.isfinite([cdnv.mean(), logs.mean(), logs.var(), inner.var()]).all()
    return 1 - np.trace(np.linalg.pinv(within + between, hermitian=True) @ between) / (k - 1)


def package(sides, labels, W, b, size=8192):
    """The package's own accumulators over blocks of rows, as its example uses them."""
    import torch
    from neural_collapse.accumulate import CovarAccumulator, DecAccumulator, MeanAccumulator
    from neural_collapse.measure import covariance_ratio

    x = torch.from_numpy(np.load(sides[0]))
    y = torch.from_numpy(np.loadtxt(labels, dtype=np.int64))
    W = torch.from_numpy(np.load(W))
    (k, d) = W.shape
    blocks = [slice(at, at + size) for at in range(0, len(x), size)]
    accumulated = MeanAccumulator(k, d)
    for block in blocks:
        accumulated.accumulate(x[block], y[block])
    means, centre = accumulated.compute()
    covariance, decided = CovarAccumulator(k, d, M=means), DecAccumulator(k, d, M=means, W=W)
    for block in blocks:
        covariance.accumulate(x[block], y[block], means)
        decided.accumulate(x[block], y[block], W, means)
    return covariance_ratio(covariance.compute(), means, centre)


serve(globals())
