# Writes data/teacher-answers.json: divergences of top-k answers with a tail and of GKD, values and gradients, by PyTorch autograd in float64.
"""Usage: python make-teacher-golden.py   (needs torch; the numbers are committed, so that tests do not)."""

import json
from pathlib import Path

import torch
import torch.nn.functional as F

ROWS, VOCABULARY = 3, 7


def rounded(values):
    return json.loads(json.dumps(values.tolist()), parse_float=lambda text: float(f"{float(text):.12g}"))


def top_k_kl(student, teacher, k, temperature):
    """KL over the teacher's k likeliest answers and one outcome for all others, times T squared, mean over rows."""
    log_t = F.log_softmax(teacher / temperature, dim=-1)
    log_s = F.log_softmax(student / temperature, dim=-1)
    ids = log_t.topk(k, dim=-1).indices
    named_t, named_s = log_t.gather(-1, ids), log_s.gather(-1, ids)
    total = (named_t.exp() * (named_t - named_s)).sum(-1)
    if k < VOCABULARY:
        rest = torch.ones_like(log_t, dtype=torch.bool).scatter(-1, ids, False)
        tail_t = log_t.masked_fill(~rest, -torch.inf).logsumexp(-1)
        tail_s = log_s.masked_fill(~rest, -torch.inf).logsumexp(-1)
        total = total + tail_t.exp() * (tail_t - tail_s)
    return temperature**2 * total.mean(), ids


def gkd(student, teacher, beta, temperature):
    """trl's generalized_jsd_loss with reduction over rows: `batchmean` over the tokens, not over the vocabulary."""
    log_s = F.log_softmax(student / temperature, dim=-1)
    log_t = F.log_softmax(teacher / temperature, dim=-1)
    if beta == 0:
        value = F.kl_div(log_s, log_t, reduction="none", log_target=True)
    elif beta == 1:
        value = F.kl_div(log_t, log_s, reduction="none", log_target=True)
    else:
        b = torch.tensor(beta, dtype=log_s.dtype)
        mixture = torch.logsumexp(torch.stack([log_s + torch.log1p(-b), log_t + torch.log(b)]), dim=0)
        to_teacher = F.kl_div(mixture, log_t, reduction="none", log_target=True)
        to_student = F.kl_div(mixture, log_s, reduction="none", log_target=True)
        value = b * to_teacher + (1 - b) * to_student
    return value.sum(-1).mean()


def main():
    generator = torch.Generator().manual_seed(5)
    draw = lambda scale: scale * torch.randn(ROWS, VOCABULARY, generator=generator, dtype=torch.float64)
    student, teacher = draw(2.0).requires_grad_(), draw(3.0)
    golden = {"torch": torch.__version__, "student": rounded(student.detach()), "teacher": rounded(teacher), "topK": [], "gkd": []}
    for k in (1, 2, 4, 6, 7):
        for temperature in (1.0, 2.0):
            value, ids = top_k_kl(student, teacher, k, temperature)
            (gradient,) = torch.autograd.grad(value, student)
            entry = {"k": k, "temperature": temperature, "ids": ids.tolist(), "loss": rounded(value), "gradient": rounded(gradient)}
            golden["topK"].append(entry)
    for beta in (0.0, 0.001, 0.1, 0.5, 0.9, 1.0):
        for temperature in (1.0, 0.9):
            value = gkd(student, teacher, beta, temperature)
            (gradient,) = torch.autograd.grad(value, student)
            golden["gkd"].append({"beta": beta, "temperature": temperature, "loss": rounded(value), "gradient": rounded(gradient)})
    path = Path(__file__).parent / "data" / "teacher-answers.json"
    path.write_text(json.dumps(golden) + "\n")


if __name__ == "__main__":
    main()
