"""The NumPy and SciPy side of linear-algebra.ts: a line `TASK ROWS COLUMNS FILE` in, and a line of
seconds by the clock, seconds of processor time and a check sum out. FILE holds float64."""

import sys
import time

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.stats import rankdata

tasks = {
    "values": lambda a: np.linalg.eigvalsh(a),
    "pairs": lambda a: np.linalg.eigh(a)[0],
    "singular": lambda a: np.linalg.svd(a, compute_uv=False),
    "svd": lambda a: np.linalg.svd(a, full_matrices=False)[1],
    "assignment": lambda a: a[linear_sum_assignment(a)],
    "ranks": lambda a: rankdata(a) ** 2,
}

for line in sys.stdin:
    task, rows, columns, file = line.split(maxsplit=3)
    a = np.fromfile(file.rstrip("\n")).reshape(int(rows), int(columns))
    clock, busy = time.perf_counter(), time.process_time()
    result = tasks[task](a)
    clock, busy = time.perf_counter() - clock, time.process_time() - busy
    print(clock, busy, np.abs(result).sum(), flush=True)
