# Makes the golden numbers of module replacing in this folder's data/: a small predecessor of transformers, the loss and gradients of one step with given
# modules replaced, and the successor after steps of AdamW with a draw for each.
#
# Made with: Python 3.11, torch 2.15.0, transformers 5.23.0, safetensors 0.8.0.
# Run:       python make-theseus-golden.py --out data
#
# Tensors are written as {"shape": [...], "float32": base64 of little-endian bytes}, under the names that transformers saves.
import argparse
import base64
import copy
import json
import pathlib
import tempfile

import torch
import transformers
from safetensors.torch import load_file

torch.set_num_threads(1)
torch.use_deterministic_algorithms(True)

LAYERS, MODULES = 4, 2
# Modules of the successor are marked by 1. The third step leaves one module without a gradient, the fourth both.
DRAWS = ["10", "11", "01", "00", "10"]
OPTIMIZER = {"learningRate": 0.01, "beta1": 0.9, "beta2": 0.95, "epsilon": 1e-8, "weightDecay": 0.02, "clipNorm": 0.5}
CASES = {
    "gpt2": ("GPT2LMHeadModel", {
        "vocab_size": 17, "n_positions": 8, "n_embd": 8, "n_layer": LAYERS, "n_head": 2, "n_inner": 12, "resid_pdrop": 0.0, "embd_pdrop": 0.0,
        "attn_pdrop": 0.0, "bos_token_id": 0, "eos_token_id": 0, "attn_implementation": "eager",
    }),
    "bert": ("BertForSequenceClassification", {
        "vocab_size": 17, "hidden_size": 8, "num_hidden_layers": LAYERS, "num_attention_heads": 2, "intermediate_size": 12,
        "max_position_embeddings": 8, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "num_labels": 3, "attn_implementation": "eager",
    }),
}


def packed(tensor):
    array = tensor.detach().to(torch.float32).contiguous().numpy()
    return {"shape": list(array.shape), "float32": base64.b64encode(array.astype("<f4").tobytes()).decode()}


def saved_files(model):
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        config = json.loads((pathlib.Path(folder) / "config.json").read_text())
        return {"config": config, "tensors": {key: packed(value) for key, value in load_file(pathlib.Path(folder) / "model.safetensors").items()}}


def set_layers(model, layers):
    if hasattr(model, "transformer"):
        model.transformer.h = torch.nn.ModuleList(layers)
    else:
        model.bert.encoder.layer = torch.nn.ModuleList(layers)
    model.config.num_hidden_layers = len(layers)


def layers_of(model):
    return list(model.transformer.h if hasattr(model, "transformer") else model.bert.encoder.layer)


def case(name, index):
    class_name, settings = CASES[name]
    generator = torch.Generator().manual_seed(4000 + index)
    model_class = getattr(transformers, class_name)
    model = model_class(model_class.config_class(**settings)).eval()
    with torch.no_grad():
        for parameter_name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            is_gain = parameter.dim() == 1 and parameter_name.endswith("weight")
            parameter.copy_(1 + 0.2 * noise if is_gain else 0.25 * noise)
    result = {"name": name, "optimizer": OPTIMIZER, "draws": DRAWS, "predecessor": saved_files(model)}

    predecessor = layers_of(model)
    successor = [copy.deepcopy(layer) for layer in predecessor[:MODULES]]
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    trained = [parameter for layer in successor for parameter in layer.parameters()]
    for parameter in trained:
        parameter.requires_grad_(True)
    depth = LAYERS // MODULES
    decayed = [parameter for parameter in trained if parameter.dim() > 1]
    others = [parameter for parameter in trained if parameter.dim() == 1]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": OPTIMIZER["weightDecay"]}, {"params": others, "weight_decay": 0.0}],
        lr=OPTIMIZER["learningRate"], betas=(OPTIMIZER["beta1"], OPTIMIZER["beta2"]), eps=OPTIMIZER["epsilon"],
    )

    def loss_of(draw, batch):
        layers = []
        for module, drawn in enumerate(draw):
            layers += [successor[module]] if drawn == "1" else predecessor[module * depth : (module + 1) * depth]
        set_layers(model, layers)
        if name == "gpt2":
            logits = model(batch["tokens"], use_cache=False).logits
        else:
            logits = model(batch["tokens"], attention_mask=batch["mask"]).logits
        return torch.nn.functional.cross_entropy(logits.flatten(0, -2), batch["labels"].flatten())

    def successor_files(value):
        """The successor as transformers saves it, its tensors or their gradients in place of the parameters."""
        set_layers(model, copy.deepcopy(successor))
        with torch.no_grad():
            for copied, own in zip(layers_of(model), successor):
                for target, source in zip(copied.parameters(), own.parameters()):
                    target.copy_(value(source))
        return saved_files(model)

    steps = []
    for number, draw in enumerate(DRAWS):
        tokens = torch.randint(1, settings["vocab_size"], (2, 6), generator=generator)
        mask = torch.ones_like(tokens)
        batch = {"tokens": tokens, "mask": mask}
        if name == "gpt2":
            batch["labels"] = torch.randint(0, settings["vocab_size"], (2, 6), generator=generator)
        else:
            batch["mask"] = torch.tensor([[1] * 6, [1] * 4 + [0] * 2])
            batch["labels"] = torch.randint(0, 3, (2,), generator=generator)
        loss = loss_of(draw, batch)
        # A module that was not drawn has a gradient of zero: its moments decay, as in the authors' code.
        for parameter in trained:
            parameter.grad = torch.zeros_like(parameter)
        if loss.requires_grad:
            loss.backward()
        if number == 0:
            result["gradients"] = successor_files(lambda parameter: parameter.grad)
        norm = torch.nn.utils.clip_grad_norm_(trained, OPTIMIZER["clipNorm"])
        optimizer.step()
        steps.append({**{key: value.tolist() for key, value in batch.items()}, "loss": loss.item(), "gradientNorm": norm.item()})
    result["steps"] = steps
    result["successor"] = successor_files(lambda parameter: parameter)
    return result


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--out", type=pathlib.Path, required=True)
    options = arguments.parse_args()
    for index, name in enumerate(CASES):
        (options.out / f"theseus-{name}.json").write_text(json.dumps(case(name, index), separators=(",", ":")) + "\n")


main()
