# Makes data/training-methods.json: values and gradients of quantization-aware training and of learned pruning, by PyTorch autograd.
#
# Made with: Python 3.11, torch 2.15.0.
# Run:       python make-training-methods-golden.py
import json
from pathlib import Path

import torch

torch.manual_seed(7)
out = Path(__file__).parent / 'data' / 'training-methods.json'


def numbers(tensor):
    return [round(float(value), 9) for value in tensor.detach().flatten()]


def leaf(tensor):
    return tensor.clone().requires_grad_(True)


def round_pass(x):
    return (x.round() - x).detach() + x


def grad_scale(x, scale):
    return (x - x * scale).detach() + x * scale


def lsq(x, step, least, most, share):
    """Esser et al., "Learned step size quantization", appendix A."""
    s = grad_scale(step, share)
    return round_pass((x / s).clamp(least, most)) * s


def lsq_weights(bits):
    least, most = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    w = leaf(0.2 * torch.randn(3, 16))
    step = leaf(torch.tensor([[0.0625], [0.15625], [0.03125]]))
    up = torch.randn(3, 16)
    y = lsq(w, step, least, most, 1 / (16 * most) ** 0.5)
    (y * up).sum().backward()
    return dict(bits=bits, w=numbers(w), step=numbers(step), up=numbers(up), y=numbers(y), dW=numbers(w.grad), dStep=numbers(step.grad))


def lsq_inputs(zero):
    x = leaf(torch.randn(4, 8).abs() if zero == 0 else torch.randn(4, 8))
    step = leaf(torch.tensor([0.0078125]))
    up = torch.randn(4, 8)
    y = lsq(x, step, -zero, 255 - zero, 1 / (8 * (255 - zero)) ** 0.5)
    (y * up).sum().backward()
    return dict(zero=zero, x=numbers(x), step=numbers(step), up=numbers(up), y=numbers(y), dX=numbers(x.grad), dStep=numbers(step.grad))


class Ternary(torch.autograd.Function):
    """TernaryBERT's TWN quantizer of rows: the gradient is zero outside the clip range."""

    @staticmethod
    def forward(ctx, w, clip):
        ctx.save_for_backward(w)
        ctx.clip = clip
        delta = 0.7 * w.abs().mean(1, keepdim=True)
        mask = (w.abs() > delta).float()
        alpha = ((w.abs() * mask).sum(1, keepdim=True) / mask.sum(1, keepdim=True)).half().float()
        return alpha * w.sign() * mask

    @staticmethod
    def backward(ctx, up):
        (w,) = ctx.saved_tensors
        return up * (w.abs() <= ctx.clip).float(), None


class Binary(torch.autograd.Function):
    @staticmethod
    def forward(ctx, w, clip):
        ctx.save_for_backward(w)
        ctx.clip = clip
        return torch.where(w < 0, -1.0, 1.0) * w.abs().mean(1, keepdim=True).half().float()

    @staticmethod
    def backward(ctx, up):
        (w,) = ctx.saved_tensors
        return up * (w.abs() <= ctx.clip).float(), None


def clipped(quantizer):
    w = leaf(torch.randn(3, 16))
    with torch.no_grad():
        w[0, 3], w[1, 5] = 2.75, -3.0
    up = torch.randn(3, 16)
    y = quantizer.apply(w, 2.5)
    (y * up).sum().backward()
    return dict(clip=2.5, w=numbers(w), up=numbers(up), y=numbers(y), dW=numbers(w.grad))


def bitnet(share):
    """Weights by absmean for each output, activations by absmax for each token, both blended in by lambda, then a linear layer."""
    x, w = leaf(torch.randn(4, 16)), leaf(0.1 * torch.randn(3, 16))
    up = torch.randn(4, 3)
    gamma = w.abs().mean(1, keepdim=True)
    w_hat = (w / gamma).round().clamp(-1, 1) * gamma.half().float()
    s = 127 / x.abs().max(-1, keepdim=True).values.clamp(min=1e-5)
    x_hat = (x * s).round().clamp(-128, 127) / s
    wq, xq = w + share * (w_hat - w).detach(), x + share * (x_hat - x).detach()
    y = xq @ wq.t()
    (y * up).sum().backward()
    return dict(share=share, x=numbers(x), w=numbers(w), up=numbers(up), y=numbers(y), dX=numbers(x.grad), dW=numbers(w.grad))


class TopK(torch.autograd.Function):
    """Sanh et al.: a mask of the largest scores, through which gradients pass straight."""

    @staticmethod
    def forward(ctx, scores, kept):
        mask = torch.zeros_like(scores)
        mask.view(-1)[scores.view(-1).argsort(descending=True)[:kept]] = 1
        return mask

    @staticmethod
    def backward(ctx, up):
        return up, None


class Threshold(torch.autograd.Function):
    @staticmethod
    def forward(ctx, scores, threshold):
        return (torch.sigmoid(scores) > threshold).float()

    @staticmethod
    def backward(ctx, up):
        return up, None


def movement(soft):
    w, scores = leaf(torch.randn(5, 4)), leaf(torch.randn(5, 4))
    up = torch.randn(5, 4)
    mask = Threshold.apply(scores, 0.4) if soft else TopK.apply(scores, 8)
    y = w * mask
    loss = (y * up).sum()
    if soft:
        loss = loss + 3.0 * torch.sigmoid(scores).mean()
    loss.backward()
    return dict(w=numbers(w), scores=numbers(scores), up=numbers(up), y=numbers(y), mask=numbers(mask), dW=numbers(w.grad), dScores=numbers(scores.grad))


def cubic(step, steps, warmup, cooldown, initial, final):
    """schedule_threshold of huggingface/block_movement_pruning, for the share that stays."""
    if step <= warmup:
        return initial
    if step > steps - cooldown:
        return final
    share = 1 - (step - warmup) / (steps - warmup - cooldown)
    return final + (initial - final) * share**3


golden = dict(
    versions=dict(torch=torch.__version__),
    lsqWeights=[lsq_weights(bits) for bits in (2, 3, 4, 8)],
    lsqInputs=[lsq_inputs(128), lsq_inputs(0)],
    ternary=clipped(Ternary),
    binary=clipped(Binary),
    bitnet=[bitnet(share) for share in (0.0, 0.25, 1.0)],
    movement=movement(False),
    softMovement=movement(True),
    cubic=dict(steps=20, warmup=3, cooldown=5, final=0.15, kept=[cubic(step, 20, 3, 5, 1.0, 0.15) for step in range(1, 21)]),
)
out.write_text(json.dumps(golden, indent=None) + '\n')
