# Makes the golden numbers of encoders in this folder's data/: random small models of transformers as they are saved, what they answer to
# padded texts, and gradients.
#
# Made with: Python 3.11, torch 2.15.0, transformers 5.23.0, safetensors 0.8.0.
# Run:       python make-encoder-golden.py --out data
#
# Tensors are written as {"shape": [...], "float32": base64 of little-endian bytes}, under the names that transformers saves.
import argparse
import base64
import json
import pathlib
import tempfile

import torch
import transformers
from safetensors.torch import load_file

torch.set_num_threads(1)
torch.use_deterministic_algorithms(True)

COMMON = {"vocab_size": 31, "num_hidden_layers": 2, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "attn_implementation": "eager"}
BERT = {**COMMON, "hidden_size": 12, "num_attention_heads": 3, "intermediate_size": 17, "max_position_embeddings": 9}
ROBERTA = {**BERT, "hidden_size": 10, "num_attention_heads": 2, "type_vocab_size": 1, "pad_token_id": 1, "max_position_embeddings": 11}
DISTIL = {
    "vocab_size": 29, "dim": 15, "n_layers": 2, "n_heads": 5, "hidden_dim": 11, "max_position_embeddings": 8, "dropout": 0.0,
    "attention_dropout": 0.0, "seq_classif_dropout": 0.0, "attn_implementation": "eager",
}
ALBERT = {**COMMON, "num_hidden_layers": 3, "hidden_size": 14, "embedding_size": 5, "num_attention_heads": 7, "intermediate_size": 19, "max_position_embeddings": 9}

LABELS = {"id2label": {0: "no", 1: "maybe", 2: "yes"}, "label2id": {"no": 0, "maybe": 1, "yes": 2}}

# name: (class, settings)
CASES = {
    "bert-masked": ("BertForMaskedLM", BERT),
    "bert-masked-untied": ("BertForMaskedLM", {**BERT, "hidden_act": "relu", "tie_word_embeddings": False, "type_vocab_size": 3}),
    "bert-classify": ("BertForSequenceClassification", {**BERT, **LABELS, "hidden_act": "gelu_new"}),
    "bert-embed": ("BertModel", {**BERT, "layer_norm_eps": 1e-5}),
    "roberta-masked": ("RobertaForMaskedLM", {**ROBERTA, "hidden_act": "silu"}),
    "roberta-classify": ("RobertaForSequenceClassification", ROBERTA),
    "distilbert-masked": ("DistilBertForMaskedLM", DISTIL),
    "distilbert-classify": ("DistilBertForSequenceClassification", {**DISTIL, **LABELS, "activation": "relu"}),
    "albert-masked": ("AlbertForMaskedLM", ALBERT),
    "albert-classify": ("AlbertForSequenceClassification", {**ALBERT, "num_labels": 2}),
    "albert-embed": ("AlbertModel", {**ALBERT, "hidden_act": "gelu"}),
}
WITH_GRADIENTS = ["bert-masked", "bert-classify", "albert-masked"]
LENGTHS = [8, 5, 2]


def packed(tensor):
    array = tensor.detach().to(torch.float32).contiguous().numpy()
    return {"shape": list(array.shape), "float32": base64.b64encode(array.astype("<f4").tobytes()).decode()}


def saved_files(model):
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        config = json.loads((pathlib.Path(folder) / "config.json").read_text())
        return config, load_file(pathlib.Path(folder) / "model.safetensors")


def case(name, index):
    class_name, settings = CASES[name]
    generator = torch.Generator().manual_seed(2000 + index)
    model_class = getattr(transformers, class_name)
    model = model_class(model_class.config_class(**settings)).eval()
    with torch.no_grad():
        for parameter_name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            is_gain = parameter.dim() == 1 and parameter_name.endswith("weight")
            parameter.copy_(1 + 0.2 * noise if is_gain else 0.25 * noise)
    config, tensors = saved_files(model)

    length = max(LENGTHS)
    tokens = torch.randint(3, config["vocab_size"], (len(LENGTHS), length), generator=generator)
    mask = torch.arange(length)[None, :] < torch.tensor(LENGTHS)[:, None]
    tokens[~mask] = config["pad_token_id"]
    inputs = {"input_ids": tokens, "attention_mask": mask.long()}
    types = (torch.arange(length)[None, :] > 2).long().expand(len(LENGTHS), -1)
    if config.get("type_vocab_size", 0) > 1:
        inputs["token_type_ids"] = types
    answer = model(**inputs)
    result = {"name": name, "config": config, "tensors": {key: packed(value) for key, value in tensors.items()}}
    result.update(tokens=tokens.tolist(), mask=mask.long().tolist(), tokenTypes=types.tolist())
    if class_name.endswith("Model"):
        hidden = answer.last_hidden_state
        weights = mask[:, :, None].float()
        mean = (hidden * weights).sum(1) / weights.sum(1)
        result.update(hidden=packed(hidden), mean=packed(mean), normalized=packed(torch.nn.functional.normalize(mean, dim=1)))
    else:
        result["logits"] = packed(answer.logits)
    if name in WITH_GRADIENTS:
        if "Masked" in class_name:
            rows = torch.tensor([0, 5, length + 1, 2 * length])
            labels = torch.randint(0, config["vocab_size"], (len(rows),), generator=generator)
            loss = torch.nn.functional.cross_entropy(answer.logits.flatten(0, 1)[rows], labels)
            result["rows"] = rows.tolist()
        else:
            labels = torch.randint(0, len(config["id2label"]), (len(LENGTHS),), generator=generator)
            loss = torch.nn.functional.cross_entropy(answer.logits, labels)
        loss.backward()
        of_saved = dict(model.named_parameters())
        gradients = {key: of_saved[key].grad if key in of_saved else None for key in tensors}
        result.update(labels=labels.tolist(), loss=loss.item(), gradients={key: packed(value) for key, value in gradients.items() if value is not None})
    return result


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--out", type=pathlib.Path, required=True)
    options = arguments.parse_args()
    for index, name in enumerate(CASES):
        (options.out / f"encoder-{name}.json").write_text(json.dumps(case(name, index), separators=(",", ":")) + "\n")


main()
