"""Logits of exported encoder-decoders in transformers, beside golden ones: `pairs_oracle.py GOLDEN FOLDER`.

GOLDEN holds pairs-NAME.json, FOLDER one exported model NAME each (a part after "@" is not looked at).
Prints JSON: the largest difference of the logits by model.
"""

import base64
import json
import sys
from pathlib import Path

import numpy
import torch
from transformers import AutoModelForSeq2SeqLM


def difference(golden: dict, folder: Path) -> float:
    model, info = AutoModelForSeq2SeqLM.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
    # Computed tables of positions are not stored, and a BERT's summary of its text is read by nothing.
    missing = [key for key in info["missing_keys"] if "embed_positions" not in key and "pooler" not in key]
    unclean = {"missing": missing, "unexpected": list(info["unexpected_keys"]), "mismatched": list(info["mismatched_keys"])}
    if any(unclean.values()):
        raise SystemExit(f"{folder}: {unclean}")
    wanted = golden["logits"]
    values = numpy.frombuffer(base64.b64decode(wanted["float32"]), "<f4").reshape(wanted["shape"])
    with torch.no_grad():
        logits = model.eval()(
            input_ids=torch.tensor(golden["source"]), attention_mask=torch.tensor(golden["sourceMask"]), decoder_input_ids=torch.tensor(golden["tokens"])
        ).logits
    return float(numpy.abs(logits.numpy() - values).max())


goldens, folders = map(Path, sys.argv[1:])
results = {}
for folder in sorted(folders.iterdir()):
    golden = json.loads((goldens / f"pairs-{folder.name.split('@')[0]}.json").read_text())
    results[folder.name] = difference(golden, folder)
print(json.dumps(results))
