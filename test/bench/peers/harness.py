"""The peers' side of a comparison: serves functions by name, one round for each line of input.

A script of peers defines functions of (sides, **params) and ends with `serve(globals())`. A side is the
path of a .npy file, or a list of them: the layers of a model. What a function returns, a number or an
array, is compared with Repscope's value. Reading the files belongs to the work, as it does on our side.
"""

import json
import sys
import time

import numpy as np


def serve(functions):
    for line in sys.stdin:
        work = json.loads(line)
        begun, busy = time.perf_counter(), time.process_time()
        value = functions[work["run"]](work["sides"], **work.get("params", {}))
        figures = {
            "seconds": time.perf_counter() - begun,
            "busy": time.process_time() - busy,
            "value": np.ravel(np.asarray(value, dtype=float)).tolist(),
        }
        print(json.dumps(figures), flush=True)
