# Makes data/sampling.json: what the logits processors of transformers leave of random logits, in the order in which `generate` runs them.
#
# Made with: Python 3.11, torch 2.15.0, transformers 5.23.0.
# Run:       python make-sampling-golden.py --out data
import argparse
import json
import pathlib

import torch
from transformers import GenerationConfig, GenerationMixin, GPT2Config, GPT2LMHeadModel

torch.manual_seed(7)
V = 24
END = 5

# name: settings of transformers
CASES = {
    "temperature": {"temperature": 0.6},
    "top-k": {"top_k": 5, "temperature": 1.4},
    "top-p": {"top_p": 0.7},
    "min-p": {"min_p": 0.15},
    "all filters": {"temperature": 0.8, "top_k": 9, "top_p": 0.85, "min_p": 0.1},
    "repetition": {"repetition_penalty": 1.7},
    "repetition that rewards": {"repetition_penalty": 0.8, "top_k": 6},
    "bias": {"sequence_bias": [[[3], 2.5], [[11], -100.0], [[0], 1.25]]},
    "bias before repetition": {"sequence_bias": [[[2], 3.0], [[7], -4.0]], "repetition_penalty": 1.5, "temperature": 0.9},
    "end not yet": {"min_new_tokens": 2, "top_k": 8},
    "everything": {
        "sequence_bias": [[[END], 9.0], [[13], 1.5]], "repetition_penalty": 1.3, "min_new_tokens": 2, "temperature": 1.2, "top_k": 12,
        "top_p": 0.9, "min_p": 0.05,
    },
}
ROWS = 4


def processors(settings, prompt_length):
    config = GPT2Config(vocab_size=V, n_positions=32, n_embd=8, n_layer=1, n_head=1, eos_token_id=END, bos_token_id=0)
    model = GPT2LMHeadModel(config)
    generation = GenerationConfig(do_sample=True, eos_token_id=END, max_new_tokens=16, **{"top_k": 0, **settings})
    generation._eos_token_tensor = torch.tensor([END])
    return GenerationMixin._get_logits_processor(
        model, generation_config=generation, input_ids_seq_length=prompt_length, device="cpu", logits_processor=None,
    )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=pathlib.Path, required=True)
    out = parser.parse_args().out
    cases = []
    for name, settings in CASES.items():
        prompt = torch.randint(0, V, (6,)).tolist()
        generated = torch.randint(0, V, (ROWS - 1,)).tolist()
        logits = torch.randn(ROWS, V) * 2.5
        chain = processors(settings, len(prompt))
        probabilities = []
        for row in range(ROWS):
            seen = torch.tensor([prompt + generated[:row]])
            scores = chain(seen, logits[row : row + 1].clone())
            probabilities.append([float(f"{p:.9g}") for p in torch.softmax(scores.double(), -1)[0].tolist()])
        cases.append(
            {
                "name": name, "settings": settings, "endToken": END, "prompt": prompt, "generated": generated,
                "logits": [[float(f"{x:.9g}") for x in row] for row in logits.tolist()], "probabilities": probabilities,
                "processors": [type(processor).__name__ for processor in chain],
            }
        )
    (out / "sampling.json").write_text(json.dumps(cases, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
