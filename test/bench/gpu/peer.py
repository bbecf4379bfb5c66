# The PyTorch side of the GPU benchmark: GPT-2 with scaled-dot-product attention, training steps and decoding in bf16, one JSON line an answer.
# Needs: torch alone. Usage: peer.py '{"layers": 12, "width": 768, ...}', then lines "step" or "decode BATCH PROMPT STEPS" on standard input.
import json
import resource
import sys
import time

import torch
from torch.nn import functional as F


class Block(torch.nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.ln1, self.ln2 = torch.nn.LayerNorm(width), torch.nn.LayerNorm(width)
        self.qkv, self.out = torch.nn.Linear(width, 3 * width), torch.nn.Linear(width, width)
        self.fc, self.proj = torch.nn.Linear(width, 4 * width), torch.nn.Linear(4 * width, width)

    def forward(self, x, cache=None, start=0):
        B, T, D = x.shape
        q, k, v = (part.view(B, T, self.heads, D // self.heads).transpose(1, 2) for part in self.qkv(self.ln1(x)).split(D, dim=2))
        if cache is not None:
            cache[0][:, :, start : start + T], cache[1][:, :, start : start + T] = k, v
            k, v = cache[0][:, :, : start + T], cache[1][:, :, : start + T]
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=T > 1)
        x = x + self.out(mixed.transpose(1, 2).reshape(B, T, D))
        return x + self.proj(F.gelu(self.fc(self.ln2(x)), approximate="tanh"))


class Gpt2(torch.nn.Module):
    def __init__(self, spec):
        super().__init__()
        width = spec["width"]
        self.tokens = torch.nn.Embedding(spec["vocabulary"], width)
        self.positions = torch.nn.Embedding(spec["positions"], width)
        self.blocks = torch.nn.ModuleList(Block(width, spec["heads"]) for _ in range(spec["layers"]))
        self.norm = torch.nn.LayerNorm(width)
        for table in (self.tokens, self.positions):
            torch.nn.init.normal_(table.weight, std=0.02)

    def forward(self, tokens, caches=None, start=0):
        x = self.tokens(tokens) + self.positions(torch.arange(start, start + tokens.shape[1], device=tokens.device))
        for index, block in enumerate(self.blocks):
            x = block(x, None if caches is None else caches[index], start)
        x = self.norm(x)
        return F.linear(x if caches is None else x[:, -1], self.tokens.weight)


def main():
    spec = json.loads(sys.argv[1])
    device = torch.device(spec["device"])
    if device.type == "cpu":
        torch.set_num_threads(spec["threads"])
    torch.manual_seed(0)
    model = Gpt2(spec).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, betas=(0.9, 0.95), weight_decay=0.01, fused=device.type == "cuda")
    drawn = torch.randint(0, spec["vocabulary"], (spec["batch"], spec["length"] + 1), device=device)
    served = None

    def wait():
        if device.type == "cuda":
            torch.cuda.synchronize()

    def step():
        with torch.autocast(device.type, dtype=torch.bfloat16):
            logits = model(drawn[:, :-1]).flatten(0, 1)
        loss = F.cross_entropy(logits.float(), drawn[:, 1:].flatten())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return loss.item()

    @torch.inference_mode()
    def decode(batch, prompt, steps):
        nonlocal served
        if served is None:
            served = Gpt2(spec).to(device, torch.bfloat16).eval()
        shape = (batch, spec["heads"], prompt + steps + 1, spec["width"] // spec["heads"])
        caches = [[torch.zeros(shape, device=device, dtype=torch.bfloat16) for _ in range(2)] for _ in served.blocks]
        tokens = torch.arange(batch * prompt, device=device).view(batch, prompt) % spec["vocabulary"]
        chosen = served(tokens, caches, 0).argmax(-1, keepdim=True)
        wait()
        started = time.perf_counter()
        for index in range(steps):
            chosen = served(chosen, caches, prompt + index).argmax(-1, keepdim=True)
            chosen.tolist()
        wait()
        return time.perf_counter() - started

    for line in sys.stdin:
        name, *rest = line.split()
        started = time.perf_counter()
        if name == "step":
            value = step()
            wait()
            seconds = time.perf_counter() - started
        else:
            value, seconds = 0, decode(*map(int, rest))
        peak = torch.cuda.max_memory_allocated() if device.type == "cuda" else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        print(json.dumps({"seconds": seconds, "value": value, "peakBytes": peak, "torch": torch.__version__}), flush=True)


main()
