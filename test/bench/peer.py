# The PyTorch side of the benchmarks: waits for lines on standard input and answers each with one line of JSON.
# Needs: torch, transformers. Usage: peer.py training-step '{"layers": 6, ...}'
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


def main():
    kind, spec = sys.argv[1], json.loads(sys.argv[2])
    torch.set_num_threads(spec.get("threads", 2))
    step = {"training-step": training_step, "distill-step": distill_step}[kind](spec)
    for _ in sys.stdin:
        started = time.perf_counter()
        value = step()
        elapsed = (time.perf_counter() - started) * 1000
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        print(json.dumps({"milliseconds": elapsed, "value": value, "peakBytes": peak}), flush=True)


main()
