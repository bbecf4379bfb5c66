# Makes the golden numbers adaptation-*.json in this folder's data/: losses and gradients of a tiny GPT-2 with low-rank updates, adapters,
# a prompt or a side network, from PyTorch's autograd.
#
# Made with: Python 3.11, torch 2.15.0, numpy 2.4.6.
# Run:       python make-adaptation-golden.py --out data
#
# Everything is written out in plain tensor operations, after the papers and in this project's layouts (linear weights [in, out]).
import argparse
import base64
import json
import math
import pathlib

import torch
import torch.nn.functional as F

torch.set_num_threads(1)

V, D, L, H, FF, P, EPS = 11, 8, 3, 2, 12, 12, 1e-5
CONFIG = {
    "architecture": "gpt2", "vocabularySize": V, "width": D, "layers": L, "heads": H, "feedForwardWidth": FF, "maxPositions": P,
    "tiedHead": True, "normEpsilon": EPS, "endTokens": [0], "activation": "geluTanh",
}
TOKENS = [[1, 7, 3, 9, 2], [4, 4, 10, 6, 8]]
LABELS = [[7, 3, 9, 2, 5], [4, 10, 6, 8, 1]]


def packed(tensor):
    array = tensor.detach().to(torch.float32).contiguous().numpy()
    return {"shape": list(array.shape), "float32": base64.b64encode(array.astype("<f4").tobytes()).decode()}


class Tensors(dict):
    """Parameters by path, float64 leaves that are exact in float32."""

    def __init__(self, generator):
        super().__init__()
        self.generator = generator

    def new(self, path, *shape, scale=0.4, shift=0.0):
        value = (shift + scale * torch.randn(shape, generator=self.generator)).float().double()
        self[path] = value.requires_grad_()

    def linear(self, path, rows, columns):
        self.new(f"{path}.weight", rows, columns)
        self.new(f"{path}.bias", columns)

    def norm(self, path, width):
        self.new(f"{path}.weight", width, shift=1.0, scale=0.2)
        self.new(f"{path}.bias", width, scale=0.2)

    def block(self, path, width, inner, hidden):
        self.norm(f"{path}.ln1", width)
        self.linear(f"{path}.attn.qkv", width, 3 * inner)
        self.linear(f"{path}.attn.out", inner, width)
        self.norm(f"{path}.ln2", width)
        self.linear(f"{path}.mlp.fc", width, hidden)
        self.linear(f"{path}.mlp.proj", hidden, width)


def backbone(generator):
    p = Tensors(generator)
    p.new("embed.token.weight", V, D)
    p.new("embed.position.weight", P, D)
    for index in range(L):
        p.block(f"h.{index}", D, D, FF)
    p.norm("norm", D)
    return p


def layer_norm(p, path, x):
    return F.layer_norm(x, x.shape[-1:], p[f"{path}.weight"], p[f"{path}.bias"], EPS)


class Network:
    """lora: {path: (A, B)} and its factor; adapters are used where they are among the parameters."""

    def __init__(self, p, updates=None, factor=0.0):
        self.p, self.updates, self.factor = p, updates or {}, factor

    def linear(self, path, x):
        y = x @ self.p[f"{path}.weight"] + self.p[f"{path}.bias"]
        if f"{path}.weight" in self.updates:
            a, b = self.updates[f"{path}.weight"]
            y = y + self.factor * (x @ a @ b)
        if f"{path}.adapter.up.weight" in self.p:
            inner = torch.relu(y @ self.p[f"{path}.adapter.down.weight"] + self.p[f"{path}.adapter.down.bias"])
            y = y + inner @ self.p[f"{path}.adapter.up.weight"] + self.p[f"{path}.adapter.up.bias"]
        return y

    def block(self, path, x, heads):
        batch, length, _ = x.shape
        q, k, v = self.linear(f"{path}.attn.qkv", layer_norm(self.p, f"{path}.ln1", x)).chunk(3, -1)
        split = lambda t: t.reshape(batch, length, heads, -1).transpose(1, 2)
        attended = F.scaled_dot_product_attention(split(q), split(k), split(v), is_causal=True)
        x = x + self.linear(f"{path}.attn.out", attended.transpose(1, 2).reshape(batch, length, -1))
        inner = F.gelu(self.linear(f"{path}.mlp.fc", layer_norm(self.p, f"{path}.ln2", x)), approximate="tanh")
        return x + self.linear(f"{path}.mlp.proj", inner)

    def hidden(self, tokens):
        """What the first block reads, what each answers, and the last norm of the last; of a prompt only behind it."""
        rows = self.p["embed.token.weight"][tokens]
        front = 0
        if "prompt.weight" in self.p:
            prompt = self.p["prompt.weight"]
            front = len(prompt)
            rows = torch.cat([prompt.expand(len(tokens), -1, -1), rows], 1)
        states = [rows + self.p["embed.position.weight"][: rows.shape[1]]]
        for index in range(L):
            states.append(self.block(f"h.{index}", states[-1], H))
        return states, layer_norm(self.p, "norm", states[-1])[:, front:]


def loss_of(p, hidden):
    return F.cross_entropy((hidden @ p["embed.token.weight"].T).reshape(-1, V), torch.tensor(LABELS).reshape(-1))


def side_hidden(net, ladder, tokens):
    """Sung et al., NeurIPS 2022, section 3: gates σ(α/0.1) between the side state and the narrowed answer of a block."""
    p = net.p
    states, answered = net.hidden(tokens)
    frozen = [state.detach() for state in states]
    gates = torch.sigmoid(p["ladder.gates"] / 0.1)
    h = net.linear("ladder.down.embed", frozen[0])
    for index, layer in enumerate(ladder["layers"]):
        gate = gates[index]
        h = gate * h + (1 - gate) * net.linear(f"ladder.down.{index}", frozen[layer + 1])
        h = net.block(f"ladder.h.{index}", h, ladder["heads"])
    widened = net.linear("ladder.up", layer_norm(p, "ladder.norm", h))
    gate = gates[-1]
    return gate * widened + (1 - gate) * answered.detach()


def case(name, config, p, loss, trained, extra=None):
    names = list(trained)
    grads = torch.autograd.grad(loss, [trained[key] for key in names])
    return {
        "name": name, "config": config, "parameters": {path: packed(value) for path, value in p.items()}, "tokens": TOKENS, "labels": LABELS,
        "loss": loss.item(), "gradients": {key: packed(grad) for key, grad in zip(names, grads)}, **(extra or {}),
    }


def make():
    tokens = torch.tensor(TOKENS)
    generator = torch.Generator().manual_seed(3)

    p = backbone(generator)
    rank, alpha = 2, 3.0
    factors = Tensors(generator)
    updates = {}
    for index in range(L):
        for part, rows, columns in (("attn.qkv", D, 3 * D), ("mlp.proj", FF, D)):
            path = f"h.{index}.{part}.weight"
            factors.new(f"{path}.lora.a", rows, rank)
            factors.new(f"{path}.lora.b", rank, columns)
            updates[path] = (factors[f"{path}.lora.a"], factors[f"{path}.lora.b"])
    loss = loss_of(p, Network(p, updates, alpha / rank).hidden(tokens)[1])
    yield case("adaptation-lora", CONFIG, p, loss, factors, {
        "rank": rank, "alpha": alpha, "include": ["*.attn.qkv.weight", "*.mlp.proj.weight"],
        "factors": {key: packed(value) for key, value in factors.items()},
    })

    p = backbone(generator)
    for index in range(L):
        for part in ("attn.out", "mlp.proj"):
            p.linear(f"h.{index}.{part}.adapter.down", D, 3)
            p.linear(f"h.{index}.{part}.adapter.up", 3, D)
    loss = loss_of(p, Network(p).hidden(tokens)[1])
    yield case("adaptation-adapter", {**CONFIG, "adapters": {"width": 3}}, p, loss, {k: v for k, v in p.items() if ".adapter." in k})

    p = backbone(generator)
    p.new("prompt.weight", 3, D)
    loss = loss_of(p, Network(p).hidden(tokens)[1])
    yield case("adaptation-prompt", {**CONFIG, "prompt": {"length": 3}}, p, loss, {"prompt.weight": p["prompt.weight"]})

    p = backbone(generator)
    ladder = {"layers": [0, 2], "width": 4, "heads": 1, "keyValueHeads": 1, "feedForwardWidth": 6, "mixesOutput": True}
    p.new("ladder.gates", 3, scale=0.05)
    p.linear("ladder.down.embed", D, 4)
    for index in range(2):
        p.linear(f"ladder.down.{index}", D, 4)
    for index in range(2):
        p.block(f"ladder.h.{index}", 4, D // H, 6)
    p.norm("ladder.norm", 4)
    p.linear("ladder.up", 4, D)
    loss = loss_of(p, side_hidden(Network(p), ladder, tokens))
    yield case("adaptation-ladder", {**CONFIG, "ladder": ladder}, p, loss, {k: v for k, v in p.items() if k.startswith("ladder.")})


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=pathlib.Path, required=True)
    out = parser.parse_args().out
    for made in make():
        (out / f"{made['name']}.json").write_text(json.dumps(made, separators=(",", ":")) + "\n")
