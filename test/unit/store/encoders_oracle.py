"""What transformers answers from encoders in two folders side by side (`encoders_oracle.py FOLDER FOLDER`).

Prints JSON: the largest difference on real tokens by model.
"""

import json
import sys
from pathlib import Path

import torch
import transformers

LENGTHS = [7, 4, 1]


def answer(folder: Path) -> torch.Tensor:
    config = json.loads((folder / "config.json").read_text())
    (name,) = config["architectures"]
    model, info = getattr(transformers, name).from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
    # What no answer below looks at: the pooler of a bare encoder.
    missing = [key for key in info["missing_keys"] if not (name.endswith("Model") and key.startswith("pooler"))]
    unclean = {"missing": missing, **{key: sorted(map(str, info[key])) for key in ("unexpected_keys", "mismatched_keys")}}
    if any(unclean.values()):
        raise SystemExit(f"{folder}: {unclean}")
    model.eval()
    length = max(LENGTHS)
    mask = torch.arange(length)[None, :] < torch.tensor(LENGTHS)[:, None]
    tokens = torch.arange(3 * length).reshape(3, length).mul(7).remainder(config["vocab_size"] - 3) + 3
    inputs = {"input_ids": tokens.where(mask, config["pad_token_id"]), "attention_mask": mask.long()}
    if config.get("type_vocab_size", 0) > 1:
        inputs["token_type_ids"] = (torch.arange(length)[None, :] > 2).long().expand(3, -1)
    with torch.no_grad():
        result = model(**inputs)
    found = result.logits if "logits" in result else result.last_hidden_state
    return found[mask] if found.dim() == 3 else found


left, right = map(Path, sys.argv[1:])
print(json.dumps({folder.name: (answer(left / folder.name) - answer(folder)).abs().max().item() for folder in sorted(right.iterdir())}))
