"""Barcodes by Ripser and by GUDHI, see topology.ts."""

import gudhi
import numpy as np
from gudhi.sklearn.rips_persistence import RipsPersistence
from harness import serve
from ripser import ripser
from scipy.spatial.distance import pdist, squareform


def longest(diagrams):
    lengths = [np.diff(np.reshape(diagram, (-1, 2)), axis=1).ravel() for diagram in diagrams]
    return [length[np.isfinite(length)].max() for length in lengths]


def by_ripser(sides, max_dim=1):
    return longest(ripser(np.load(sides[0]), maxdim=max_dim)["dgms"])


def by_gudhi(sides, max_dim=1):
    """Its own form of Ripser, without edge collapses."""
    degrees = list(range(max_dim + 1))
    rips = RipsPersistence(degrees, num_collapses=0, homology_coeff_field=2)
    return longest(rips.fit_transform([np.load(sides[0]).astype(float)])[0])


def by_gudhi_collapsed(sides):
    distances = squareform(pdist(np.load(sides[0])))
    radius = distances.max(axis=1).min()
    tree = gudhi.RipsComplex(distance_matrix=distances, max_edge_length=radius)
    tree = tree.create_simplex_tree(max_dimension=1)
    tree.collapse_edges()
    tree.expansion(2)
    tree.compute_persistence(homology_coeff_field=2)
    return longest([tree.persistence_intervals_in_dimension(q) for q in (0, 1)])


serve(globals())
