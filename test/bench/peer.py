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
    step = {"training-step": training_step, "theseus-step": theseus_step}[kind](spec)
    for _ in sys.stdin:
        started = time.perf_counter()
        value = step()
        elapsed = (time.perf_counter() - started) * 1000
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        print(json.dumps({"milliseconds": elapsed, "value": value, "peakBytes": peak}), flush=True)


main()
