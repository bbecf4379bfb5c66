# Makes data/flop.json: values and gradients of hard-concrete gates and of the augmented Lagrangian, by PyTorch autograd in float64.
#
# Made with: Python 3.11, torch 2.15.0.
# Run:       python make-flop-golden.py > data/flop.json

import json
import math

import torch

torch.manual_seed(5)
LOW, HIGH = -0.1, 1.1


def gates(alphas: torch.Tensor, uniforms: torch.Tensor, beta: float) -> torch.Tensor:
    """z of Louizos et al. 2018, equations 10 and 11."""
    noise = torch.log(uniforms) - torch.log(1 - uniforms)
    s = torch.sigmoid((noise + alphas) / beta)
    return torch.clamp(s * (HIGH - LOW) + LOW, 0, 1)


def keep_probability(alphas: torch.Tensor, beta: float) -> torch.Tensor:
    return torch.sigmoid(alphas - beta * math.log(-LOW / HIGH))


def leaf(*shape: int, scale: float = 1.0) -> torch.Tensor:
    return (scale * torch.randn(*shape, dtype=torch.float64)).requires_grad_()


def listed(tensor: torch.Tensor) -> list:
    return tensor.detach().tolist()


def case(beta: float, form: str, target: float) -> dict:
    rows, rank, columns = 5, 7, 6
    x = torch.randn(4, rows, dtype=torch.float64)
    left, right = leaf(rows, rank), leaf(rank, columns)
    alphas = leaf(rank, scale=2.0)
    uniforms = torch.rand(rank, dtype=torch.float64)
    first = torch.tensor(-0.7, dtype=torch.float64, requires_grad=True)
    second = torch.tensor(1.3, dtype=torch.float64, requires_grad=True)
    z = gates(alphas, uniforms, beta)
    keep = keep_probability(alphas, beta)
    y = (x @ left * z) @ right
    sparsity = 1 - (rows + columns) * keep.sum() / (rows * columns)
    distance = sparsity - target
    if form == "absolute":
        distance = distance.abs()
    penalty = first * distance + second * distance**2
    loss = (y**2).mean() + penalty
    loss.backward()
    return {
        "beta": beta,
        "form": form,
        "target": target,
        "x": listed(x),
        "left": listed(left),
        "right": listed(right),
        "alphas": listed(alphas),
        "uniforms": listed(uniforms),
        "first": first.item(),
        "second": second.item(),
        "z": listed(z),
        "keep": listed(keep),
        "sparsity": sparsity.item(),
        "penalty": penalty.item(),
        "loss": loss.item(),
        "gradients": {
            "left": listed(left.grad),
            "right": listed(right.grad),
            "alphas": listed(alphas.grad),
            "first": first.grad.item(),
            "second": second.grad.item(),
        },
    }


cases = [case(beta, form, target) for beta in (1.0, 2 / 3) for form in ("signed", "absolute") for target in (0.6, -0.9)]
print(json.dumps({"torch": torch.__version__, "cases": cases}))
