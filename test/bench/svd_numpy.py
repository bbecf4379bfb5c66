"""NumPy's side of svd.ts: full SVDs (LAPACK) of the matrices listed on standard input, timed as one sweep a line.

Input: one line of JSON, a list of {"file", "rows", "columns"} of raw float32; then one empty line a sweep.
Output: one line of JSON a sweep, {"seconds"}.
"""

import json
import sys
import time

import numpy as np

matrices = [
    np.fromfile(entry["file"], dtype=np.float32).reshape(entry["rows"], entry["columns"])
    for entry in json.loads(sys.stdin.readline())
]
np.linalg.svd(matrices[0], full_matrices=False)  # threads start at the first call
for _ in sys.stdin:
    start = time.perf_counter()
    for matrix in matrices:
        np.linalg.svd(matrix, full_matrices=False)
    print(json.dumps({"seconds": time.perf_counter() - start}), flush=True)
