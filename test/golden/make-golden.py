# Makes the golden numbers in this folder's data/: logits, gradients and optimizer steps from PyTorch and transformers.
#
# Made with: Python 3.11, torch 2.15.0, transformers 5.23.0, safetensors 0.8.0, numpy 2.4.6, tokenizers as transformers pins it.
# Run:       python make-golden.py --models FOLDER_WITH_THE_REAL_MODELS --out data
#
# Tensors are written as {"shape": [...], "float32": base64 of little-endian bytes}. Parameters carry this project's paths and
# layouts (linear weights [in, out]), so that the tests need no reader of Hugging Face files.
import argparse
import base64
import json
import pathlib

import numpy
import torch
from transformers import (
    AutoModelForCausalLM, AutoTokenizer, Gemma2Config, Gemma2ForCausalLM, Gemma3ForCausalLM, Gemma3TextConfig, GemmaConfig, GemmaForCausalLM,
    GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM, Qwen2Config, Qwen2ForCausalLM, Qwen3Config,
    Qwen3ForCausalLM,
)

torch.set_num_threads(1)
torch.use_deterministic_algorithms(True)

GPT2_ACTIVATIONS = {"geluTanh": "gelu_new", "gelu": "gelu", "relu": "relu", "silu": "silu"}


def packed(tensor):
    array = tensor.detach().to(torch.float32).contiguous().numpy()
    return {"shape": list(array.shape), "float32": base64.b64encode(array.astype("<f4").tobytes()).decode()}


# --- our configurations -> transformers models -----------------------------------------------------------------------


def gpt2_model(config):
    return GPT2LMHeadModel(
        GPT2Config(
            vocab_size=config["vocabularySize"], n_embd=config["width"], n_layer=config["layers"], n_head=config["heads"],
            n_inner=config["feedForwardWidth"], n_positions=config["maxPositions"], layer_norm_epsilon=config["normEpsilon"],
            activation_function=GPT2_ACTIVATIONS[config["activation"]], tie_word_embeddings=config["tiedHead"],
            resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, bos_token_id=0, eos_token_id=0, attn_implementation="eager",
        )
    )


def rope_parameters(config):
    scaling = config["rotaryScaling"]
    rope = {"rope_type": {"none": "default"}.get(scaling["kind"], scaling["kind"]), "rope_theta": config["rotaryBase"]}
    names = {
        "factor": "factor", "lowFrequencyFactor": "low_freq_factor", "highFrequencyFactor": "high_freq_factor",
        "originalMaxPositions": "original_max_position_embeddings", "betaFast": "beta_fast", "betaSlow": "beta_slow",
        "attentionFactor": "attention_factor",
    }
    rope.update({names[key]: value for key, value in scaling.items() if key != "kind"})
    if scaling["kind"] == "dynamic":
        del rope["original_max_position_embeddings"]  # transformers stretches from max_position_embeddings
    return rope


def layer_types(config):
    flags = config.get("slidingWindow", {}).get("layers", [False] * config["layers"])
    return ["sliding_attention" if flag else "full_attention" for flag in flags]


def relative_model(kind, config):
    """A relative of Llama; the class is chosen here and not by what the configuration says."""
    window = config.get("slidingWindow", {}).get("size")
    fields = dict(
        vocab_size=config["vocabularySize"], hidden_size=config["width"], num_hidden_layers=config["layers"],
        num_attention_heads=config["heads"], num_key_value_heads=config["keyValueHeads"], head_dim=config["headWidth"],
        intermediate_size=config["feedForwardWidth"], max_position_embeddings=config["maxPositions"], rms_norm_eps=config["normEpsilon"],
        tie_word_embeddings=config["tiedHead"], rope_parameters=rope_parameters(config), bos_token_id=1, eos_token_id=2, pad_token_id=0,
        attn_implementation="eager",
    )
    qwen = dict(use_sliding_window=window is not None, sliding_window=window, layer_types=layer_types(config))
    gemma2 = dict(
        query_pre_attn_scalar=config.get("queryScalar"), sliding_window=window, layer_types=layer_types(config),
        attn_logit_softcapping=config.get("attentionSoftCap"), final_logit_softcapping=config.get("logitSoftCap"),
    )
    if kind == "mistral":
        return MistralForCausalLM(MistralConfig(**fields, sliding_window=window))
    if kind == "qwen2":
        return Qwen2ForCausalLM(Qwen2Config(**fields, **qwen))
    if kind == "qwen3":
        return Qwen3ForCausalLM(Qwen3Config(**fields, **qwen, attention_bias=config["attentionBias"]))
    if kind == "gemma":
        return GemmaForCausalLM(GemmaConfig(**fields))
    if kind == "gemma2":
        return Gemma2ForCausalLM(Gemma2Config(**fields, **gemma2))
    if kind == "gemma3":
        rope = {"full_attention": fields.pop("rope_parameters"), "sliding_attention": {"rope_type": "default", "rope_theta": config["slidingRotaryBase"]}}
        return Gemma3ForCausalLM(Gemma3TextConfig(**fields, **gemma2, rope_parameters=rope))
    raise ValueError(kind)


def llama_model(config):
    scaling = config["rotaryScaling"]
    positions = scaling["originalMaxPositions"] if scaling["kind"] == "dynamic" else config["maxPositions"]
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=config["vocabularySize"], hidden_size=config["width"], num_hidden_layers=config["layers"],
            num_attention_heads=config["heads"], num_key_value_heads=config["keyValueHeads"], head_dim=config["headWidth"],
            intermediate_size=config["feedForwardWidth"], max_position_embeddings=positions, rms_norm_eps=config["normEpsilon"],
            hidden_act={"silu": "silu", "gelu": "gelu", "geluTanh": "gelu_new"}[config["activation"]],
            tie_word_embeddings=config["tiedHead"], attention_bias=config["attentionBias"], mlp_bias=config["feedForwardBias"],
            rope_parameters=rope_parameters(config), bos_token_id=1, eos_token_id=2, attn_implementation="eager",
        )
    )


def make_model(name, config):
    if config["architecture"] == "gpt2":
        return gpt2_model(config)
    kind = name.split("-")[0]
    return llama_model(config) if kind == "llama" else relative_model(kind, config)


# --- transformers parameter names -> our paths and layouts --------------------------------------------------------------


def gpt2_path(name):
    """(our path, transposed) of a parameter. Conv1D weights are [in, out] already."""
    fixed = {
        "transformer.wte.weight": ("embed.token.weight", False), "transformer.wpe.weight": ("embed.position.weight", False),
        "transformer.ln_f.weight": ("norm.weight", False), "transformer.ln_f.bias": ("norm.bias", False),
        "lm_head.weight": ("head.weight", True),
    }
    if name in fixed:
        return fixed[name]
    for theirs, ours in [
        ("ln_1", "ln1"), ("ln_2", "ln2"), ("attn.c_attn", "attn.qkv"), ("attn.c_proj", "attn.out"), ("mlp.c_fc", "mlp.fc"), ("mlp.c_proj", "mlp.proj"),
    ]:
        name = name.replace(theirs, ours)
    return name.removeprefix("transformer."), False


def llama_path(name, has_norms_behind=False):
    fixed = {
        "model.embed_tokens.weight": ("embed.token.weight", False), "model.norm.weight": ("norm.weight", False), "lm_head.weight": ("head.weight", True),
    }
    if name in fixed:
        return fixed[name]
    behind = [("post_attention_layernorm", "norm1Behind"), ("pre_feedforward_layernorm", "norm2"), ("post_feedforward_layernorm", "norm2Behind")]
    for theirs, ours in [
        ("model.layers.", "h."), ("input_layernorm", "norm1"), *(behind if has_norms_behind else [("post_attention_layernorm", "norm2")]),
        ("self_attn.o_proj", "attn.out"), ("self_attn.q_norm", "attn.qNorm"), ("self_attn.k_norm", "attn.kNorm"), ("self_attn.", "attn."), ("_proj", ""),
    ]:
        name = name.replace(theirs, ours)
    return name, name.endswith(".weight") and "norm" not in name.lower()


def to_ours(model, tensors):
    has_norms_behind = isinstance(model, (Gemma2ForCausalLM, Gemma3ForCausalLM))
    ours = {}
    for name, tensor in tensors:
        path, transposed = gpt2_path(name) if isinstance(model, GPT2LMHeadModel) else llama_path(name, has_norms_behind)
        ours[path] = packed(tensor.T if transposed else tensor)
    return ours


def randomize(model, generator):
    """Weights large enough that every part of the model shows in the logits."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            is_gain = parameter.dim() == 1 and name.endswith("weight")
            center = 0 if "Gemma" in type(model).__name__ else 1
            parameter.copy_(center + 0.2 * noise if is_gain else 0.25 * noise)


# --- what is written ----------------------------------------------------------------------------------------------------

GPT2 = {
    "architecture": "gpt2", "vocabularySize": 37, "width": 12, "layers": 2, "heads": 3, "feedForwardWidth": 48, "maxPositions": 17,
    "tiedHead": True, "normEpsilon": 1e-5, "endTokens": [0], "activation": "geluTanh",
}
LLAMA = {
    "architecture": "llama", "vocabularySize": 41, "width": 18, "layers": 2, "heads": 6, "keyValueHeads": 2, "headWidth": 4,
    "feedForwardWidth": 22, "maxPositions": 32, "tiedHead": False, "normEpsilon": 1e-5, "endTokens": [2], "rotaryBase": 10000,
    "rotaryScaling": {"kind": "none"}, "activation": "silu", "attentionBias": False, "feedForwardBias": False,
}
YARN = {"kind": "yarn", "factor": 4, "originalMaxPositions": 16, "betaFast": 2, "betaSlow": 0.5}


def sliding(size, *layers):
    return {"slidingWindow": {"size": size, "layers": list(layers)}}


GEMMA = {**LLAMA, "headWidth": 8, "tiedHead": True, "activation": "geluTanh", "scaledEmbedding": True, "gainsLessOne": True}
GEMMA2 = {**GEMMA, "layers": 3, "normsBehind": True, "queryScalar": 5, "logitSoftCap": 4.0, **sliding(5, True, False, True)}

# name: (configuration, batch, length); the name says the model type.
SMALL = {
    "gpt2-tied": (GPT2, 2, 7),
    "gpt2-untied-odd": ({**GPT2, "vocabularySize": 29, "width": 15, "heads": 5, "feedForwardWidth": 31, "tiedHead": False, "activation": "gelu", "normEpsilon": 1e-3}, 3, 5),
    "gpt2-relu-one-head": ({**GPT2, "layers": 1, "width": 9, "heads": 1, "feedForwardWidth": 10, "activation": "relu"}, 1, 17),
    "gpt2-silu": ({**GPT2, "layers": 1, "width": 10, "heads": 2, "activation": "silu"}, 1, 1),
    "llama-grouped": (LLAMA, 2, 9),
    "llama-linear-multi-query": ({**LLAMA, "heads": 3, "keyValueHeads": 1, "headWidth": 6, "tiedHead": True, "rotaryScaling": {"kind": "linear", "factor": 2.5}}, 2, 11),
    "llama-dynamic": ({**LLAMA, "heads": 2, "keyValueHeads": 2, "headWidth": 8, "rotaryScaling": {"kind": "dynamic", "factor": 4, "originalMaxPositions": 8}}, 2, 13),
    "llama-dynamic-short": ({**LLAMA, "heads": 2, "keyValueHeads": 2, "headWidth": 8, "rotaryScaling": {"kind": "dynamic", "factor": 4, "originalMaxPositions": 8}}, 1, 7),
    "llama-llama3": ({**LLAMA, "heads": 2, "keyValueHeads": 1, "headWidth": 10, "rotaryBase": 100, "rotaryScaling": {"kind": "llama3", "factor": 8, "lowFrequencyFactor": 1, "highFrequencyFactor": 4, "originalMaxPositions": 16}}, 1, 31),
    "llama-yarn-biases": ({**LLAMA, "headWidth": 8, "rotaryBase": 500, "rotaryScaling": YARN, "attentionBias": True, "feedForwardBias": True, "activation": "gelu"}, 2, 29),
    "llama-yarn-factor": ({**LLAMA, "headWidth": 8, "rotaryBase": 500, "rotaryScaling": {**YARN, "attentionFactor": 0.8}, "activation": "geluTanh"}, 1, 23),
    "mistral": ({**LLAMA, **sliding(4, True, True)}, 2, 13),
    "qwen2": ({**LLAMA, "tiedHead": True, "attentionBias": True, "attentionOutputBias": False}, 2, 9),
    "qwen2-window": ({**LLAMA, "attentionBias": True, "attentionOutputBias": False, **sliding(6, False, True)}, 1, 14),
    "qwen3": ({**LLAMA, "headWidth": 8, "rotaryBase": 1000000, "queryKeyNorm": True}, 2, 11),
    "gemma": ({**GEMMA, "keyValueHeads": 1}, 2, 9),
    "gemma2": ({**GEMMA2, "attentionSoftCap": 2.0}, 2, 14),
    "gemma3": ({**GEMMA2, "queryKeyNorm": True, "rotaryBase": 100000, "slidingRotaryBase": 500, "rotaryScaling": {"kind": "linear", "factor": 4}}, 2, 12),
}

OPTIMIZER = {"learningRate": 0.01, "beta1": 0.9, "beta2": 0.95, "epsilon": 1e-8, "weightDecay": 0.1, "clipNorm": 1.0}


def random_ids(generator, config, batch, length):
    return torch.randint(0, config["vocabularySize"], (batch, length), generator=generator)


def loss_of(model, tokens, labels):
    logits = model(input_ids=tokens, use_cache=False).logits
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten())


def small_case(name, index):
    config, batch, length = SMALL[name]
    generator = torch.Generator().manual_seed(1000 + index)
    model = make_model(name, config).eval()
    randomize(model, generator)
    tokens = random_ids(generator, config, batch, length)
    with torch.no_grad():
        logits = model(input_ids=tokens, use_cache=False).logits
    parameters = to_ours(model, model.named_parameters())
    return {"name": name, "config": config, "parameters": parameters, "tokens": tokens.tolist(), "logits": packed(logits)}, model, generator


def training_case(name, index):
    """Gradients of the mean token cross-entropy, then ten AdamW steps on ten batches, matrices and tables decayed."""
    case, model, generator = small_case(name, index)
    config, batch, length = SMALL[name]
    labels = random_ids(generator, config, batch, length)
    loss = loss_of(model, torch.tensor(case["tokens"]), labels)
    loss.backward()
    case.update(labels=labels.tolist(), loss=loss.item(), gradients=to_ours(model, [(n, p.grad) for n, p in model.named_parameters()]))

    parameters = list(model.parameters())
    groups = [
        {"params": [p for p in parameters if p.dim() >= 2], "weight_decay": OPTIMIZER["weightDecay"]},
        {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=OPTIMIZER["learningRate"], betas=(OPTIMIZER["beta1"], OPTIMIZER["beta2"]), eps=OPTIMIZER["epsilon"])
    steps = []
    for _ in range(10):
        tokens, labels = random_ids(generator, config, batch, length), random_ids(generator, config, batch, length)
        optimizer.zero_grad()
        loss = loss_of(model, tokens, labels)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(parameters, OPTIMIZER["clipNorm"])
        optimizer.step()
        steps.append({"tokens": tokens.tolist(), "labels": labels.tolist(), "loss": loss.item(), "gradientNorm": norm.item()})
    case.update(optimizer=OPTIMIZER, steps=steps, parametersAfter=to_ours(model, model.named_parameters()))
    return case


def real_case(folder, prompts, begin, full_every_position):
    """Logits of a trained model at each position (some ids only) and in full at the last one, and its greedy continuation."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    random = numpy.random.default_rng(7)
    cases = []
    for prompt in prompts:
        ids = begin + tokenizer(prompt, add_special_tokens=False).input_ids
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([ids]), use_cache=False).logits[0]
            greedy = model.generate(torch.tensor([ids]), max_new_tokens=40, do_sample=False, pad_token_id=0)[0, len(ids):]
        if full_every_position:
            chosen = {"logits": packed(logits)}
        else:
            picked = numpy.sort(random.choice(logits.shape[1], 100, replace=False))
            chosen = {"ids": picked.tolist(), "logits": packed(logits[:, picked]), "lastLogits": packed(logits[-1])}
        cases.append({"prompt": prompt, "tokens": ids, **chosen, "topIds": logits.argmax(-1).tolist(), "greedy": greedy.tolist(), "greedyText": tokenizer.decode(greedy)})
    return {"model": folder.name, "prompts": cases}


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--models", type=pathlib.Path, required=True, help="folder that holds wiki-gpt2-7m and stories260K")
    arguments.add_argument("--out", type=pathlib.Path, required=True)
    options = arguments.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)

    def write(name, value):
        (options.out / f"{name}.json").write_text(json.dumps(value, separators=(",", ":")) + "\n")

    trained = ["gpt2-tied", "llama-grouped"]
    for index, name in enumerate(SMALL):
        write(name, training_case(name, index) if name in trained else small_case(name, index)[0])
    write("wiki-gpt2-7m", real_case(options.models / "wiki-gpt2-7m", ["The city of", "In 1905, Albert Einstein published a paper"], [0], False))
    write("stories260K", real_case(options.models / "stories260K", ["Once upon a time", "The little dog"], [1], True))


main()
