# Writes evaluate-golden.json: losses of text windows and log-likelihoods of continuations from PyTorch and transformers.
# Made with torch 2.15.0, transformers 5.23.0, tokenizers 0.23.3. Run from the repository root: python test/unit/evaluate/make-evaluate-golden.py
import json
from pathlib import Path

import torch
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM

MODELS = Path("test/fixtures/models")
CHARACTERS = 5_000
REQUESTS = [
    ["The city of", " London"],
    ["The city of ", "London"],
    ["", "The city of London"],
    ["   ", "Once upon a time"],
    ["Once upon a time, there was", " a little girl named Lily."],
    ["He was born in 1984 and", " died in 2012 at the age of"],
    ["the " * 700, "end of the list"],
    ["Question: is it?\nAnswer:", " yes"],
]


def load(name):
    model = AutoModelForCausalLM.from_pretrained(MODELS / name, torch_dtype=torch.float32).eval()
    return model, Tokenizer.from_file(str(MODELS / name / "tokenizer.json"))


def window_loss(model, ids, first, window, stride):
    """Sum of −ln p over all ids; window i predicts positions i·stride …, later windows score what no earlier one did."""
    sequence = [first] + ids
    total, scored_to = 0.0, 0
    for start in range(0, len(ids), stride):
        end = min(start + window, len(ids))
        logits = model(torch.tensor([sequence[start:end]])).logits[0].double()
        losses = torch.nn.functional.cross_entropy(logits, torch.tensor(sequence[start + 1 : end + 1]), reduction="none")
        total += losses[scored_to - start :].sum().item()
        scored_to = end
        if end == len(ids):
            return total


def score(model, tokenizer, prefix, context, continuation):
    """lm_eval.api.model.TemplateLM._encode_pair and HFLM._loglikelihood_tokens."""
    encode = lambda text: tokenizer.encode(text, add_special_tokens=False).ids
    trimmed = context.rstrip()
    continuation = context[len(trimmed) :] + continuation
    if trimmed == "":
        before, after = [prefix], encode(continuation)
    else:
        whole, size = encode(trimmed + continuation), len(encode(trimmed))
        before, after = whole[:size], whole[size:]
    inputs = (before + after)[-(model.config.max_position_embeddings + 1) :][:-1]
    log_probabilities = torch.log_softmax(model(torch.tensor([inputs])).logits[0].double(), -1)[-len(after) :]
    chosen = log_probabilities[torch.arange(len(after)), torch.tensor(after)]
    return {
        "logLikelihood": chosen.sum().item(),
        "isGreedy": log_probabilities.argmax(-1).tolist() == after,
        "tokens": len(after),
    }


golden = {}
with torch.no_grad():
    for name, prefix in [("wiki-gpt2-7m", 0), ("stories260K", 1)]:
        model, tokenizer = load(name)
        text = Path("test/fixtures/text/evaluate.txt").read_text()[:CHARACTERS]
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        golden[name] = {
            "characters": CHARACTERS,
            "tokens": len(ids),
            "windows": [
                {"window": window, "stride": stride, "lossNats": window_loss(model, ids, prefix, window, stride)}
                for window, stride in [(256, 256), (128, 80)]
            ],
            "scores": [
                {"context": context, "continuation": continuation, **score(model, tokenizer, prefix, context, continuation)}
                for context, continuation in REQUESTS
            ],
        }
Path("test/unit/evaluate/evaluate-golden.json").write_text(json.dumps(golden, indent=1))
