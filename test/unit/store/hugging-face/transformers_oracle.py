"""Random models by transformers (`make FOLDER`), logits of two folders side by side (`compare FOLDER FOLDER`), and of one (`logits FOLDER`).

Prints JSON: for `make` the names of the models, for `compare` the largest difference of the logits by model, for `logits` all of them by model.
"""

import json
import sys
from pathlib import Path

import torch
from transformers import (
    AutoModelForCausalLM,
    Gemma2Config,
    Gemma3TextConfig,
    GemmaConfig,
    GPT2Config,
    LlamaConfig,
    MistralConfig,
    Qwen2Config,
    Qwen3Config,
)

GPT2 = dict(vocab_size=31, n_positions=20, n_embd=12, n_layer=2, n_head=3, bos_token_id=1, eos_token_id=2)
LLAMA = dict(
    vocab_size=29, hidden_size=16, intermediate_size=20, num_hidden_layers=2, num_attention_heads=4,
    num_key_value_heads=2, max_position_embeddings=24, eos_token_id=[2, 3], rope_theta=5000.0,
)  # fmt: skip
RELATIVE = {name: value for name, value in LLAMA.items() if name != "rope_theta"}
# Lengths of 20 are compared: far beyond the windows.
SLIDING = dict(sliding_window=5, layer_types=["sliding_attention", "full_attention"])


def rope(**settings):
    return {"rope_parameters": {"rope_theta": 5000.0, **settings}}


CONFIGS = {
    "gpt2-tied": GPT2Config(**GPT2),
    "gpt2-untied": GPT2Config(**GPT2, tie_word_embeddings=False, n_inner=17, activation_function="gelu"),
    "llama-untied": LlamaConfig(**LLAMA),
    "llama-tied-wide-heads": LlamaConfig(**LLAMA, tie_word_embeddings=True, head_dim=6),
    "llama-bias": LlamaConfig(**LLAMA, attention_bias=True, mlp_bias=True, hidden_act="gelu_pytorch_tanh"),
    "llama-linear": LlamaConfig(**LLAMA, **rope(rope_type="linear", factor=2.0)),
    "llama-dynamic": LlamaConfig(**LLAMA, **rope(rope_type="dynamic", factor=2.0)),
    "llama-llama3": LlamaConfig(
        **LLAMA,
        **rope(rope_type="llama3", factor=4.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=12),
    ),
    "llama-yarn": LlamaConfig(**LLAMA, **rope(rope_type="yarn", factor=2.0, original_max_position_embeddings=12)),
    "mistral": MistralConfig(**RELATIVE, sliding_window=6),
    "qwen2": Qwen2Config(**RELATIVE),
    "qwen2-window": Qwen2Config(**RELATIVE, use_sliding_window=True, sliding_window=4, max_window_layers=1),
    "qwen3": Qwen3Config(**RELATIVE, head_dim=6, tie_word_embeddings=True),
    "gemma": GemmaConfig(**{**RELATIVE, "num_key_value_heads": 1}, head_dim=8),
    "gemma2": Gemma2Config(
        **RELATIVE, **SLIDING, head_dim=8, query_pre_attn_scalar=3, attn_logit_softcapping=2.0, final_logit_softcapping=4.0
    ),
    "gemma3": Gemma3TextConfig(
        **RELATIVE, **SLIDING, head_dim=8, query_pre_attn_scalar=3, final_logit_softcapping=4.0,
        rope_parameters={
            "full_attention": {"rope_type": "linear", "factor": 4.0, "rope_theta": 70000.0},
            "sliding_attention": {"rope_type": "default", "rope_theta": 300.0},
        },
    ),
}


def make(root: Path) -> list[str]:
    for index, (name, config) in enumerate(CONFIGS.items()):
        torch.manual_seed(index)
        model = AutoModelForCausalLM.from_config(config)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.3 * torch.randn_like(parameter))
        model.save_pretrained(root / name)
    return list(CONFIGS)


def logits(folder: Path) -> torch.Tensor:
    model, info = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
    unclean = {key: sorted(map(str, info[key])) for key in ("missing_keys", "unexpected_keys", "mismatched_keys") if info[key]}
    if unclean:
        raise SystemExit(f"{folder}: {unclean}")
    model.eval()
    vocabulary = model.config.vocab_size
    tokens = torch.arange(2 * 20).reshape(2, 20).mul(7).remainder(vocabulary)
    with torch.no_grad():
        return model(tokens).logits


def compare(left: Path, right: Path) -> dict[str, float]:
    return {
        folder.name: (logits(left / folder.name) - logits(folder)).abs().max().item() for folder in sorted(right.iterdir())
    }


def flat_logits(root: Path) -> dict[str, list[float]]:
    return {folder.name: logits(folder).flatten().tolist() for folder in sorted(root.iterdir())}


command, *paths = sys.argv[1:]
commands = {"make": make, "compare": compare, "logits": flat_logits}
print(json.dumps(commands[command](*map(Path, paths))))
