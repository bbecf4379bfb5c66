"""NumPy's side of weight-errors.ts: every method written down plainly in float64, one matrix at a time.

Input: one line of JSON a case, {"method", "settings", "rows", "columns", "files": {"weight", "gram", "magnitudes", "squares"}, "made"}, where
the files are raw float64 in row-major order: W [m, n], H = XᵀX [m, m], mean |x| [m], Fisher information [m, n]; "made" is the other side's
matrix W' or null.
Output: one line of JSON a case, {"seconds", "weight", "output", "madeWeight", "madeOutput"}: relative errors of both sides.
"""

import json
import sys
import time

import numpy as np


def low_rank(matrix, rank):
    u, s, vt = np.linalg.svd(matrix, full_matrices=False)
    return (u[:, :rank] * s[:rank]) @ vt[:rank]


def plain(w, rank, **_):
    return low_rank(w, rank)


def scaled(w, rank, scales):
    return low_rank(scales[:, None] * w, rank) / scales[:, None]


def fwsvd(w, rank, squares, **_):
    scales = np.sqrt(squares.sum(axis=1))
    return scaled(w, rank, np.maximum(scales, 1e-3 * np.sqrt(np.mean(scales**2))))


def asvd(w, rank, magnitudes, **_):
    return scaled(w, rank, magnitudes**0.5)


def whitened(w, rank, gram, **_):
    root = np.linalg.cholesky(gram + 1e-6 * np.trace(gram) / len(gram) * np.eye(len(gram))).T
    return np.linalg.solve(root, low_rank(root @ w, rank))


def kronecker(w, terms, shape, **_):
    """Van Loan and Pitsianis: the singular vectors of the matrix whose rows are the blocks."""
    (m, n), (m2, n2) = w.shape, shape
    m1, n1 = m // m2, n // n2
    blocks = w.reshape(m1, m2, n1, n2).transpose(0, 2, 1, 3).reshape(m1 * n1, m2 * n2)
    return low_rank(blocks, terms).reshape(m1, n1, m2, n2).transpose(0, 2, 1, 3).reshape(m, n)


def mask_smallest(scores, share, axis=None):
    """Keeps the largest scores: of the whole matrix, or of each output (axis 0)."""
    if axis is None:
        flat = scores.ravel()
        keep = np.ones(flat.size, bool)
        keep[np.argpartition(flat, int(share * flat.size))[: int(share * flat.size)]] = False
        return keep.reshape(scores.shape)
    keep = np.ones(scores.shape, bool)
    order = np.argsort(scores, axis=axis)[: int(share * scores.shape[axis])]
    np.put_along_axis(keep, order, False, axis)
    return keep


def mask_groups(scores, group):
    m, n = scores.shape
    grouped = scores.reshape(m // group, group, n)
    ranks = grouped.argsort(axis=1).argsort(axis=1)
    return (ranks >= group // 2).reshape(m, n)


def magnitude(w, sparsity=None, group=None, **_):
    return w * (mask_smallest(np.abs(w), sparsity) if group is None else mask_groups(np.abs(w), group))


def wanda(w, gram, sparsity=None, group=None, **_):
    scores = np.abs(w) * np.sqrt(np.diag(gram))[:, None]
    return w * (mask_smallest(scores, sparsity, 0) if group is None else mask_groups(scores, group))


def damped(gram):
    return gram + 0.01 * np.mean(np.diag(gram)) * np.eye(len(gram))


def inverse_factor(gram):
    """Upper triangular U with (H + damping)⁻¹ = Uᵀ·U, as Frantar et al. use it."""
    return np.linalg.cholesky(np.linalg.inv(damped(gram))).T


def sparsegpt(w, gram, sparsity=None, group=None, **_):
    w, u = w.copy(), inverse_factor(gram)
    m, block = len(w), 128
    for start in range(0, m, block):
        end = min(m, start + block)
        pivots = np.diag(u)[start:end, None]
        if group is None:
            keep = mask_smallest(w[start:end] ** 2 / pivots**2, sparsity)
        errors = np.zeros((end - start, w.shape[1]))
        for i in range(start, end):
            if group is not None and (i - start) % group == 0:
                if i == start:
                    keep = np.ones((end - start, w.shape[1]), bool)
                part = slice(i - start, i - start + group)
                keep[part] = mask_groups(w[i : i + group] ** 2 / pivots[part] ** 2, group)
            new = w[i] * keep[i - start]
            errors[i - start] = (w[i] - new) / u[i, i]
            w[i + 1 : end] -= np.outer(u[i, i + 1 : end], errors[i - start])
            w[i] = new
        w[end:] -= u[start:end, end:].T @ errors
    return w


def grid(w, bits, size):
    """Scale and zero point of every group of inputs, [groups, n]."""
    m, n = w.shape
    groups = w.reshape(m // size, size, n)
    low, high = np.minimum(groups.min(axis=1), 0), np.maximum(groups.max(axis=1), 0)
    if bits == 8:
        scale = np.float64(np.float16(np.maximum(-low, high) / 127))
        return scale, np.full(scale.shape, 128.0)
    scale = np.float64(np.float16((high - low) / (2**bits - 1)))
    return scale, np.clip(np.round(-low / scale), 0, 2**bits - 1)


def on_grid(w, scale, zero, bits):
    return (np.clip(np.round(w / scale) + zero, 0, 2**bits - 1) - zero) * scale


def rtn(w, bits, size=32, **_):
    scale, zero = grid(w, bits, size)
    return on_grid(w, np.repeat(scale, size, 0), np.repeat(zero, size, 0), bits)


def gptq(w, gram, bits, size=32, **_):
    """With act-order and the grids of the groups fixed beforehand."""
    scale, zero = grid(w, bits, size)
    order = np.argsort(-np.diag(gram), kind="stable")
    u = inverse_factor(gram[np.ix_(order, order)])
    work, made = w[order].copy(), np.zeros_like(w)
    for i, channel in enumerate(order):
        made[channel] = on_grid(work[i], scale[channel // size], zero[channel // size], bits)
        work[i + 1 :] -= np.outer(u[i, i + 1 :], (work[i] - made[channel]) / u[i, i])
    return made


def awq(w, gram, bits, **_):
    """Scales only, without shorter ranges."""
    norms = np.sqrt(np.diag(gram))
    best, least = None, np.inf
    for step in range(20):
        scales = norms ** (step / 20)
        scales /= np.sqrt(scales.max() * scales.min())
        made = rtn(scales[:, None] * w, bits) / scales[:, None]
        lost = np.sum((w - made) * (gram @ (w - made)))
        if lost < least:
            best, least = made, lost
    return best


def int8(w, **_):
    scale = np.abs(w).max(axis=0) / 127
    return np.round(w / scale) * scale


def ternary(w, size=32, **_):
    m, n = w.shape
    groups = w.reshape(m // size, size, n)
    large = np.abs(groups) > 0.7 * np.abs(groups).mean(axis=1, keepdims=True)
    scale = (np.abs(groups) * large).sum(axis=1, keepdims=True) / large.sum(axis=1, keepdims=True)
    return (np.sign(groups) * large * scale).reshape(m, n)


def binary(w, size=32, **_):
    m, n = w.shape
    groups = w.reshape(m // size, size, n)
    return (np.where(groups < 0, -1, 1) * np.abs(groups).mean(axis=1, keepdims=True)).reshape(m, n)


METHODS = {f.__name__: f for f in (plain, fwsvd, asvd, whitened, kronecker, magnitude, wanda, sparsegpt, rtn, gptq, awq, int8, ternary, binary)}


def errors(w, made, gram):
    difference = w - made
    return float(np.linalg.norm(difference) / np.linalg.norm(w)), float(
        np.sqrt(max(np.sum(difference * (gram @ difference)), 0) / np.sum(w * (gram @ w)))
    )


def main():
    for line in sys.stdin:
        case = json.loads(line)
        m, n = case["rows"], case["columns"]
        shapes = {"weight": (m, n), "gram": (m, m), "magnitudes": (m,), "squares": (m, n)}
        data = {name: np.fromfile(path).reshape(shapes[name]) for name, path in case["files"].items()}
        w = data.pop("weight")
        start = time.perf_counter()
        made = METHODS[case["method"]](w, **data, **case["settings"])
        seconds = time.perf_counter() - start
        answer = {"seconds": seconds}
        answer["weight"], answer["output"] = errors(w, made, data["gram"])
        if case["made"] is not None:
            answer["madeWeight"], answer["madeOutput"] = errors(w, np.fromfile(case["made"]).reshape(m, n), data["gram"])
        print(json.dumps(answer), flush=True)


main()
