"""Golden pseudo-likelihoods: every ordinary token of the texts of data/encoder-*-masked.json hidden by itself, one pass each.

Made with transformers 5.23.0 and torch 2.15.0 (Salazar et al., "Masked Language Model Scoring", ACL 2020, eq. 1):
    python test/golden/make-masked-loss.py --data test/golden/data
"""

import argparse
import base64
import json
import pathlib
import tempfile

import numpy
import torch
import transformers
from safetensors.numpy import save_file

MASK, SPECIAL = 4, {20, 11}


def unpacked(tensor):
    return numpy.frombuffer(base64.b64decode(tensor["float32"]), "<f4").reshape(tensor["shape"]).copy()


def score(golden):
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "config.json").write_text(json.dumps(golden["config"]))
        save_file({key: unpacked(value) for key, value in golden["tensors"].items()}, folder / "model.safetensors", {"format": "pt"})
        model = getattr(transformers, golden["config"]["architectures"][0]).from_pretrained(folder).eval()
    losses, right = [], 0
    for tokens, mask, types in zip(golden["tokens"], golden["mask"], golden["tokenTypes"]):
        length = sum(mask)
        for place in range(length):
            if tokens[place] in SPECIAL:
                continue
            hidden = torch.tensor([tokens[:length]])
            hidden[0, place] = MASK
            extra = {"token_type_ids": torch.tensor([types[:length]])} if golden["config"].get("type_vocab_size", 0) > 1 else {}
            with torch.no_grad():
                logits = model(input_ids=hidden, **extra).logits[0, place]
            losses.append(-torch.log_softmax(logits, 0)[tokens[place]].item())
            right += int(logits.argmax().item() == tokens[place])
    return {"hiddenTokens": len(losses), "loss": sum(losses) / len(losses), "accuracy": right / len(losses)}


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--data", type=pathlib.Path, required=True)
    data = arguments.parse_args().data
    names = ["bert-masked", "roberta-masked", "distilbert-masked", "albert-masked"]
    scores = {name: score(json.loads((data / f"encoder-{name}.json").read_text())) for name in names}
    (data / "masked-loss.json").write_text(json.dumps({"mask": MASK, "special": sorted(SPECIAL), "scores": scores}, separators=(",", ":")) + "\n")


main()
