# Makes data/distill-losses.json: every distillation loss and its gradient with respect to the student's side, by PyTorch's own functions and autograd.
#
# Made with: Python 3.11, torch 2.15.0.
# Run:       python make-distill-golden.py --out data
import argparse
import json
import math
import pathlib

import torch
import torch.nn.functional as F

B, T, C = 2, 4, 7
WIDTHS = {"student": 6, "teacher": 8}
# The last two tokens of the second text are padding.
COUNTS = torch.tensor([[1.0, 1, 1, 1], [1, 1, 0, 0]], dtype=torch.float64)
HIDES = -1e30

torch.manual_seed(5)
torch.set_default_dtype(torch.float64)


def tensor(*shape):
    """Random numbers that float32 holds exactly and that print shortly."""
    return (torch.randn(*shape) * 256).round() / 256


def causal():
    return torch.full((T, T), HIDES).triu(1)


def padded():
    return torch.where(COUNTS > 0, 0.0, HIDES).reshape(B, 1, 1, T)


def text_mean(values, counts):
    """[B, T] -> the mean over texts of the means over their tokens that count."""
    if counts is None:
        return values.mean()
    return ((values * counts).sum(1) / counts.sum(1)).mean()


def kl(log_p, log_q):
    return F.kl_div(log_q, log_p, reduction="none", log_target=True).sum(-1)


# Rows of distributions.
def forward(s, t, temperature=1.0):
    return kl((t / temperature).log_softmax(-1), (s / temperature).log_softmax(-1)).mean() * temperature**2


def reverse(s, t, temperature=1.0):
    return kl((s / temperature).log_softmax(-1), (t / temperature).log_softmax(-1)).mean() * temperature**2


def jsd(s, t, beta, temperature=1.0, scaled=False):
    p, q = (t / temperature).softmax(-1), (s / temperature).softmax(-1)
    mixture = beta * p + (1 - beta) * q
    value = (beta * kl(p.log(), mixture.log()) + (1 - beta) * kl(q.log(), mixture.log())).mean()
    return value * temperature**2 / (beta * (1 - beta) if scaled else 1)


def averaged(s, teachers, weights, temperature, of):
    shares = [weight / sum(weights) for weight in weights]
    if of == "probabilities":
        target = sum(share * (t / temperature).softmax(-1) for share, t in zip(shares, teachers)).log()
    else:
        target = (sum(share * t for share, t in zip(shares, teachers)) / temperature).log_softmax(-1)
    return kl(target, (s / temperature).log_softmax(-1)).mean() * temperature**2


# States [B, T, D].
def mse(s, t, counts):
    return text_mean(F.mse_loss(s, t, reduction="none").mean(-1), counts)


def cosine(s, t, counts):
    return text_mean(1 - F.cosine_similarity(s, t, dim=-1), counts)


def pkd(s, t, counts):
    return mse(F.normalize(s, dim=-1), F.normalize(t, dim=-1), counts)


def gram_tokens(s, t, counts):
    grams = [F.normalize(x, dim=-1) @ F.normalize(x, dim=-1).transpose(1, 2) for x in (s, t)]
    squares = (grams[0] - grams[1]).pow(2)
    if counts is None:
        return squares.mean()
    weights = counts[:, :, None] * counts[:, None, :]
    return ((squares * weights).sum((1, 2)) / weights.sum((1, 2))).mean()


def gram_batch(s, t, counts):
    weights = (torch.ones(B, T) if counts is None else counts)[:, :, None]
    vectors = [F.normalize((x * weights).sum(1) / weights.sum(1), dim=-1) for x in (s, t)]
    return F.mse_loss(vectors[0] @ vectors[0].T, vectors[1] @ vectors[1].T)


# Attention: q, k, v [B, T, heads, K].
def by_head(x):
    return x.transpose(1, 2)


def scores_of(q, k):
    """Grouped keys are repeated for their queries."""
    k = by_head(k).repeat_interleave(q.shape[2] // k.shape[2], 1)
    return by_head(q) @ k.transpose(2, 3) / math.sqrt(q.shape[3])


def key_kl(log_t, log_s, counts):
    return text_mean(kl(log_t, log_s).mean(1), counts)


def attention_scores(s, t, hiding, counts):
    """TinyBERT: what is hidden is set to 0 on both sides; the mean is over what is seen."""
    ours, theirs = (scores_of(x["q"], x["k"]) + hiding for x in (s, t))
    ours, theirs = (torch.where(x <= -1e2, torch.zeros_like(x), x) for x in (ours, theirs))
    seen = ((hiding > -1e2).float() * (torch.ones(B, T) if counts is None else counts)[:, None, :, None]).expand(B, 1, T, T)
    squares = ((ours - theirs).pow(2) * seen).mean(1)
    return (squares.sum((1, 2)) / seen.sum((1, 2, 3))).mean()


def attention_probabilities(s, t, hiding, counts):
    ours, theirs = ((scores_of(x["q"], x["k"]) + hiding).softmax(-1) for x in (s, t))
    seen = ((hiding > -1e2).float() * (torch.ones(B, T) if counts is None else counts)[:, None, :, None]).expand(B, 1, T, T)
    return (((ours - theirs).pow(2) * seen).mean(1).sum((1, 2)) / seen.sum((1, 2, 3))).mean()


def attention_kl(s, t, hiding, counts):
    ours, theirs = ((scores_of(x["q"], x["k"]) + hiding).log_softmax(-1) for x in (s, t))
    return key_kl(theirs, ours, counts)


def relation(x, heads, hiding):
    x = x.reshape(B, T, heads, -1)
    return (by_head(x) @ by_head(x).transpose(2, 3) / math.sqrt(x.shape[3]) + hiding).log_softmax(-1)


def minilm(s, t, hiding, counts):
    values = [relation(x["v"], x["v"].shape[2], hiding) for x in (s, t)]
    return attention_kl(s, t, hiding, counts) + key_kl(values[1], values[0], counts)


def minilmv2(s, t, hiding, counts, heads):
    return sum(key_kl(relation(t[part], heads, hiding), relation(s[part], heads, hiding), counts) for part in "qkv")


def packed(x):
    values = [float(f"{value:.7g}") for value in x.detach().flatten().tolist()]
    return {"shape": list(x.shape), "values": [0 if value == 0 else value for value in values]}


# What several cases read, once.
SIDES = {}


def side(tensors):
    packed_side = {key: packed(value) for key, value in tensors.items()}
    known = [name for name, value in SIDES.items() if value == packed_side]
    name = known[0] if known else f"side{len(SIDES)}"
    SIDES[name] = packed_side
    return name


def case(name, kind, settings, student, teacher, loss):
    student = {key: value.clone().requires_grad_() for key, value in student.items()}
    value = loss(student, teacher)
    gradients = torch.autograd.grad(value, list(student.values()), allow_unused=True)
    return {
        "name": name,
        "kind": kind,
        "settings": settings,
        "student": side(student),
        "teacher": side(teacher),
        "loss": value.item(),
        "gradients": {key: packed(g if g is not None else torch.zeros_like(student[key])) for key, g in zip(student, gradients)},
    }


def logit_cases():
    s, t, u = {"x": 2 * tensor(5, C)}, {"x": 2 * tensor(5, C)}, 2 * tensor(5, C)
    for temperature in (1.0, 2.5):
        for divergence, loss in (("forward", forward), ("reverse", reverse)):
            settings = {"divergence": divergence, "temperature": temperature}
            yield case(f"{divergence} KL at {temperature}", "logits", settings, s, t, lambda a, b: loss(a["x"], b["x"], temperature))
    for beta, scaled, temperature in ((0.5, False, 1.0), (0.1, False, 2.0), (0.9, True, 1.0), (0.001, True, 1.0)):
        settings = {"divergence": "jsd", "beta": beta, "scaled": scaled, "temperature": temperature}
        yield case(f"jsd {json.dumps(settings)}", "logits", settings, s, t, lambda a, b: jsd(a["x"], b["x"], beta, temperature, scaled))
    for beta, loss in ((0, forward), (1, reverse)):
        yield case(f"jsd at its end {beta}", "logits", {"divergence": "jsd", "beta": beta}, s, t, lambda a, b: loss(a["x"], b["x"]))
    for of in ("probabilities", "logits"):
        yield case(
            f"two teachers, mean of {of}", "logits", {"average": of, "weights": [1, 3], "temperature": 2}, s, {**t, "y": u},
            lambda a, b: averaged(a["x"], [b["x"], b["y"]], [1, 3], 2.0, of),
        )


def state_cases():
    s, t = {"x": tensor(B, T, WIDTHS["teacher"])}, {"x": tensor(B, T, WIDTHS["teacher"])}
    narrow = {"x": tensor(B, T, WIDTHS["student"]), "projection": tensor(WIDTHS["student"], WIDTHS["teacher"])}
    for counts in (None, COUNTS):
        padding = "" if counts is None else ", padded"
        for distance, loss in (("mse", mse), ("cosine", cosine), ("pkd", pkd)):
            settings = {"distance": distance, "padded": counts is not None}
            yield case(f"{distance}{padding}", "hidden", settings, s, t, lambda a, b: loss(a["x"], b["x"], counts))
            yield case(
                f"{distance} projected{padding}", "hidden", settings, narrow, t, lambda a, b: loss(a["x"] @ a["projection"], b["x"], counts)
            )
        for over, loss in (("tokens", gram_tokens), ("batch", gram_batch)):
            settings = {"of": "gram", "over": over, "padded": counts is not None}
            yield case(f"gram over {over}{padding}", "relation", settings, {"x": narrow["x"]}, t, lambda a, b: loss(a["x"], b["x"], counts))
    first = {"distance": "pkd", "tokens": "first", "padded": True}
    yield case("pkd of first tokens", "hidden", first, s, t, lambda a, b: pkd(a["x"][:, :1], b["x"][:, :1], None))


def attention_cases():
    def heads(count, groups, width):
        return {"q": tensor(B, T, count, width), "k": tensor(B, T, groups, width), "v": tensor(B, T, groups, width)}

    pairs = {"": (heads(4, 4, 3), heads(4, 4, 5)), ", grouped": (heads(4, 2, 3), heads(4, 2, 5))}
    for grouped, (s, t) in pairs.items():
        for hides, hiding, counts in (("causal", causal(), None), ("padded", padded(), COUNTS)):
            for name, kind, settings, loss in (
                ("scores", "attention", {"of": "scores", "distance": "mse"}, attention_scores),
                ("probabilities", "attention", {"of": "probabilities", "distance": "mse"}, attention_probabilities),
                ("distributions", "attention", {"of": "probabilities", "distance": "kl"}, attention_kl),
                ("minilm", "relation", {"of": "minilm"}, minilm),
                ("minilmv2", "relation", {"of": "minilmv2", "heads": 2}, lambda *x: minilmv2(*x, heads=2)),
            ):
                yield case(f"{name}, {hides}{grouped}", kind, {**settings, "hides": hides}, s, t, lambda a, b: loss(a, b, hiding, counts))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=pathlib.Path, required=True)
    folder = parser.parse_args().out
    cases = [*logit_cases(), *state_cases(), *attention_cases()]
    sides = ",\n".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in SIDES.items())
    lines = ",\n".join(json.dumps(each) for each in cases)
    (folder / "distill-losses.json").write_text(f'{{"sides": {{\n{sides}\n}},\n"cases": [\n{lines}\n]}}\n')
    print(len(cases), "cases")


main()
