"""Golden numbers of warm-started encoder-decoders: checkpoints of small random encoders, the attention to the encoder that EncoderDecoderModel made
at random, the logits, and the gradients where both stacks are the same tensors.

Made with transformers 5.23.0 and torch 2.15.0:
    python test/golden/make-warm-start.py --out test/golden/data
"""

import argparse
import base64
import json
import pathlib
import tempfile

import torch
import transformers
from safetensors.torch import load_file
from transformers import EncoderDecoderModel

torch.set_num_threads(1)

COMMON = {"vocab_size": 23, "hidden_size": 12, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 17}
# name: (class of the checkpoint, its settings, start token, end token)
CASES = {
    "bert": ("BertForMaskedLM", {**COMMON, "max_position_embeddings": 13, "pad_token_id": 0}, 5, 2),
    "roberta": ("RobertaForMaskedLM", {**COMMON, "num_hidden_layers": 1, "type_vocab_size": 1, "max_position_embeddings": 15, "pad_token_id": 1}, 0, 2),
}


def packed(tensor):
    values = tensor.detach().to(torch.float32).contiguous()
    return {"shape": list(values.shape), "float32": base64.b64encode(values.numpy().astype("<f4").tobytes()).decode()}


def randomize(parameters, generator):
    with torch.no_grad():
        for name, parameter in parameters:
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.copy_(1 + 0.2 * noise if parameter.dim() == 1 and name.endswith("weight") else 0.3 * noise)


def tie_stacks(model):
    """Encoder and decoder become the same tensors, as `tie_encoder_decoder` of earlier releases made them."""
    stack = model.decoder.base_model
    for name, parameter in model.encoder.named_parameters():
        if name.startswith("pooler"):
            continue
        *modules, last = name.split(".")
        owner = stack.get_submodule(".".join(modules))
        assert torch.equal(getattr(owner, last), parameter), name
        setattr(owner, last, parameter)
    model.decoder.get_output_embeddings().weight = model.encoder.get_input_embeddings().weight


def case(name, index):
    kind, settings, start, end = CASES[name]
    generator = torch.Generator().manual_seed(4000 + index)
    checkpoint = getattr(transformers, kind)(getattr(transformers, kind.split("For")[0] + "Config")(**settings))
    randomize(checkpoint.named_parameters(), generator)
    with tempfile.TemporaryDirectory() as folder:
        checkpoint.save_pretrained(folder)
        config = json.loads((pathlib.Path(folder) / "config.json").read_text())
        state = {key: packed(value) for key, value in load_file(pathlib.Path(folder) / "model.safetensors").items()}
        model = EncoderDecoderModel.from_encoder_decoder_pretrained(folder, folder).eval()
    config.pop("transformers_version", None)
    model.config.decoder_start_token_id, model.config.eos_token_id, model.config.pad_token_id = start, end, settings["pad_token_id"]
    cross = [(key, value) for key, value in model.named_parameters() if "crossattention" in key]
    randomize(cross, generator)
    source = torch.randint(3, 23, (2, 9), generator=generator)
    mask = torch.ones_like(source)
    mask[1, 6:] = 0
    source[mask == 0] = settings["pad_token_id"]
    labels = torch.randint(3, 23, (2, 7), generator=generator)
    tokens = torch.cat([torch.full((2, 1), start), labels[:, :-1]], 1)
    # In the layout that one saves: one name for each tensor.
    crossState = {key: packed(value) for key, value in cross}
    logits = model(input_ids=source, attention_mask=mask, decoder_input_ids=tokens).logits
    tie_stacks(model)
    shared = model(input_ids=source, attention_mask=mask, decoder_input_ids=tokens).logits
    assert torch.equal(shared, logits)
    loss = torch.nn.functional.cross_entropy(shared.flatten(0, 1), labels.flatten())
    loss.backward()
    # named_parameters has every tensor once, under its name in the encoder.
    gradients = {key: packed(value.grad) for key, value in model.named_parameters() if value.grad is not None}
    return {
        "config": config, "state": state, "start": start, "end": end, "cross": crossState, "source": source.tolist(), "sourceMask": mask.tolist(),
        "tokens": tokens.tolist(), "labels": labels.tolist(), "logits": packed(logits), "loss": loss.item(), "sharedGradients": gradients,
        "sharedParameters": sum(value.numel() for key, value in model.named_parameters() if "pooler" not in key),
    }


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--out", type=pathlib.Path, required=True)
    out = arguments.parse_args().out
    for index, name in enumerate(CASES):
        (out / f"warm-start-{name}.json").write_text(json.dumps(case(name, index), separators=(",", ":")) + "\n")


main()
