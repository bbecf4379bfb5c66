# The PyTorch side of the benchmarks: waits for lines on standard input and answers each with one line of JSON.
# Needs: torch, transformers. Usage: peer.py training-step '{"layers": 6, ...}'
import copy
import itertools
import json
import resource
import sys
import time

import torch
from transformers import GPT2Config, GPT2LMHeadModel


def make_model(spec):
    config = GPT2Config(
        n_layer=spec["layers"],
        n_embd=spec["width"],
        n_head=spec["heads"],
        vocab_size=spec["vocabulary"],
        n_positions=spec["positions"],
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
    )
    torch.manual_seed(0)
    return GPT2LMHeadModel(config).train()


def training_step(spec):
    """Forward, backward, clipping and AdamW of a GPT-2, as a person would write it."""
    model = make_model(spec)
    teacher = make_model(spec).eval() if spec.get("distill") else None
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, betas=(0.9, 0.95), weight_decay=0.01)
    tokens = torch.randint(0, spec["vocabulary"], (spec["batch"], spec["length"] + 1))
    inputs, labels = tokens[:, :-1], tokens[:, 1:]

    def step():
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=spec.get("bf16", False)):
            logits = model(inputs, use_cache=False).logits.reshape(-1, spec["vocabulary"])
            loss = torch.nn.functional.cross_entropy(logits.float(), labels.reshape(-1))
            if teacher is not None:
                with torch.no_grad():
                    target = teacher(inputs, use_cache=False).logits.reshape(-1, spec["vocabulary"])
                divergence = torch.nn.functional.kl_div(
                    logits.float().log_softmax(-1), target.float().log_softmax(-1), reduction="batchmean", log_target=True
                )
                loss = 0.1 * loss + 0.9 * divergence
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return loss.item()

    return step


class GatedLinear(torch.nn.Module):
    """W = P diag(z) Q with hard-concrete gates, in place of a Conv1D of the block matrices."""

    def __init__(self, layer, beta):
        super().__init__()
        rows, columns = layer.weight.shape
        rank = min(rows, columns)
        self.left = torch.nn.Parameter(torch.randn(rows, rank) * 0.02)
        self.right = torch.nn.Parameter(torch.randn(rank, columns) * 0.02)
        self.alphas = torch.nn.Parameter(torch.full((rank,), 2.94))
        self.bias = layer.bias
        self.beta = beta
        self.cost = rows + columns

    def forward(self, x):
        uniform = torch.rand_like(self.alphas).clamp(1e-6, 1 - 1e-6)
        s = torch.sigmoid((torch.log(uniform) - torch.log(1 - uniform) + self.alphas) / self.beta)
        z = torch.clamp(s * 1.2 - 0.1, 0, 1)
        return (x @ self.left * z) @ self.right + self.bias

    def expected_size(self):
        return self.cost * torch.sigmoid(self.alphas - self.beta * LOG_ODDS).sum()


LOG_ODDS = torch.log(torch.tensor(0.1 / 1.1)).item()


def flop_step(spec):
    """FLOP as a person would write it: gates, expected size, augmented Lagrangian, and multipliers that climb."""
    model = make_model(spec)
    dense = 0
    for block in model.transformer.h:
        for parent, name in ((block.attn, "c_attn"), (block.attn, "c_proj"), (block.mlp, "c_fc"), (block.mlp, "c_proj")):
            layer = getattr(parent, name)
            dense += layer.weight.numel()
            setattr(parent, name, GatedLinear(layer, 1.0))
    gated = [module for module in model.modules() if isinstance(module, GatedLinear)]
    gates = [module.alphas for module in gated]
    own = {id(alphas) for alphas in gates}
    weights = [parameter for parameter in model.parameters() if id(parameter) not in own]
    multipliers = [torch.nn.Parameter(torch.zeros(())), torch.nn.Parameter(torch.zeros(()))]
    options = {"betas": (0.9, 0.95)}
    optimizers = [
        torch.optim.AdamW(weights, lr=1e-4, weight_decay=0.01, **options),
        torch.optim.AdamW(gates, lr=0.1, weight_decay=0.0, **options),
        torch.optim.AdamW(multipliers, lr=0.1, weight_decay=0.0, maximize=True, **options),
    ]
    tokens = torch.randint(0, spec["vocabulary"], (spec["batch"], spec["length"] + 1))
    inputs, labels = tokens[:, :-1], tokens[:, 1:]

    def step():
        logits = model(inputs, use_cache=False).logits.reshape(-1, spec["vocabulary"])
        sparsity = 1 - sum(module.expected_size() for module in gated) / dense
        distance = sparsity - 0.5
        penalty = multipliers[0] * distance + multipliers[1] * distance**2
        loss = torch.nn.functional.cross_entropy(logits, labels.reshape(-1)) + penalty
        loss.backward()
        for group in (weights, gates, multipliers):
            torch.nn.utils.clip_grad_norm_(group, 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        return loss.item()

    return step


def distill_step(spec):
    """A student of half the layers learns the states of every second layer (mse), the logits (KL at T 2) and the labels, as a person would write it."""
    T = 2.0
    student = make_model({**spec, "layers": spec["layers"] // 2})
    teacher = make_model(spec).eval()
    optimizer = torch.optim.AdamW(student.parameters(), lr=1e-4, betas=(0.9, 0.95), weight_decay=0.01)
    tokens = torch.randint(0, spec["vocabulary"], (spec["batch"], spec["length"] + 1))
    inputs, labels = tokens[:, :-1], tokens[:, 1:]

    def step():
        output = student(inputs, use_cache=False, output_hidden_states=True)
        with torch.no_grad():
            target = teacher(inputs, use_cache=False, output_hidden_states=True)
        logits = output.logits.reshape(-1, spec["vocabulary"])
        taught = target.logits.reshape(-1, spec["vocabulary"])
        loss = 0.1 * torch.nn.functional.cross_entropy(logits, labels.reshape(-1))
        divergence = torch.nn.functional.kl_div((logits / T).log_softmax(-1), (taught / T).log_softmax(-1), reduction="batchmean", log_target=True)
        loss = loss + 0.9 * T**2 * divergence
        for ours, theirs in zip(output.hidden_states[1:], target.hidden_states[2::2]):
            loss = loss + torch.nn.functional.mse_loss(ours, theirs)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return loss.item()

    return step


def theseus_step(spec):
    """A step of module replacing: the drawn modules are the successor's, which alone trains; the others keep a gradient of zero."""
    model = make_model(spec)
    predecessor = list(model.transformer.h)
    modules = spec["modules"]
    depth = len(predecessor) // modules
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    successor = [copy.deepcopy(layer).requires_grad_(True) for layer in predecessor[:modules]]
    trained = [parameter for layer in successor for parameter in layer.parameters()]
    for parameter in trained:
        parameter.grad = torch.zeros_like(parameter)
    optimizer = torch.optim.AdamW(trained, lr=1e-4, betas=(0.9, 0.95), weight_decay=0.01)
    tokens = torch.randint(0, spec["vocabulary"], (spec["batch"], spec["length"] + 1))
    inputs, labels = tokens[:, :-1], tokens[:, 1:]
    draws = itertools.cycle(spec["draws"])

    def step():
        layers = []
        for module, drawn in enumerate(next(draws)):
            layers += [successor[module]] if drawn == "1" else predecessor[module * depth : (module + 1) * depth]
        model.transformer.h = torch.nn.ModuleList(layers)
        model.config.n_layer = len(layers)
        logits = model(inputs, use_cache=False).logits.reshape(-1, spec["vocabulary"])
        loss = torch.nn.functional.cross_entropy(logits, labels.reshape(-1))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=False)
        return loss.item()

    return step


def main():
    kind, spec = sys.argv[1], json.loads(sys.argv[2])
    torch.set_num_threads(spec.get("threads", 2))
    step = {"training-step": training_step, "distill-step": distill_step, "flop-step": flop_step, "theseus-step": theseus_step}[kind](spec)
    for _ in sys.stdin:
        started, used = time.perf_counter(), time.process_time()
        value = step()
        elapsed = (time.perf_counter() - started) * 1000
        cpu = (time.process_time() - used) * 1000
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        print(json.dumps({"milliseconds": elapsed, "cpuMilliseconds": cpu, "value": value, "peakBytes": peak}), flush=True)


main()
