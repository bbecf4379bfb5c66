"""Golden numbers of small random encoder-decoders: weights under transformers' names, logits, loss, gradients and generated sequences.

Made with transformers 5.23.0 and torch 2.15.0:
    python test/golden/make-encoder-decoder.py --out test/golden/data
"""

import argparse
import base64
import json
import pathlib

import torch
from transformers import (
    BartConfig, BartForConditionalGeneration, BertConfig, EncoderDecoderConfig, EncoderDecoderModel, MarianConfig, MarianMTModel, MBartConfig, MBartForConditionalGeneration, PegasusConfig,
    PegasusForConditionalGeneration, RobertaConfig, T5Config, T5ForConditionalGeneration,
)


def packed(tensor):
    values = tensor.detach().to(torch.float32).contiguous()
    return {"shape": list(values.shape), "float32": base64.b64encode(values.numpy().astype("<f4").tobytes()).decode()}


SIZES = dict(
    vocab_size=23, d_model=12, encoder_layers=2, decoder_layers=1, encoder_attention_heads=3, decoder_attention_heads=2, encoder_ffn_dim=17,
    decoder_ffn_dim=11, max_position_embeddings=19, pad_token_id=1, bos_token_id=0, eos_token_id=2, decoder_start_token_id=2, forced_eos_token_id=None,
)
T5_SIZES = dict(
    vocab_size=21, d_model=10, d_kv=5, d_ff=13, num_layers=1, num_decoder_layers=2, num_heads=3, relative_attention_num_buckets=8,
    relative_attention_max_distance=9, pad_token_id=0, eos_token_id=1, decoder_start_token_id=0, bos_token_id=None,
)

BERT_SIZES = dict(hidden_size=12, max_position_embeddings=19, type_vocab_size=2, hidden_act="gelu", pad_token_id=1)


def two_berts():
    encoder = BertConfig(**BERT_SIZES, vocab_size=23, num_hidden_layers=1, num_attention_heads=3, intermediate_size=17)
    decoder = BertConfig(**BERT_SIZES, vocab_size=19, num_hidden_layers=2, num_attention_heads=2, intermediate_size=11)
    config = EncoderDecoderConfig.from_encoder_decoder_configs(encoder, decoder, decoder_start_token_id=2, pad_token_id=1, eos_token_id=2)
    return EncoderDecoderModel(config=config)


def two_robertas():
    """Positions count from the row behind that of the padding token, 1."""
    sizes = {**BERT_SIZES, "type_vocab_size": 1, "max_position_embeddings": 21}
    encoder = RobertaConfig(**sizes, vocab_size=23, num_hidden_layers=2, num_attention_heads=2, intermediate_size=13)
    decoder = RobertaConfig(**sizes, vocab_size=23, num_hidden_layers=1, num_attention_heads=3, intermediate_size=15)
    config = EncoderDecoderConfig.from_encoder_decoder_configs(encoder, decoder, decoder_start_token_id=0, pad_token_id=1, eos_token_id=2)
    return EncoderDecoderModel(config=config)


CASES = {
    "bart": lambda: BartForConditionalGeneration(BartConfig(**SIZES)),
    "mbart-scaled": lambda: MBartForConditionalGeneration(MBartConfig(**SIZES, scale_embedding=True, activation_function="relu")),
    "pegasus": lambda: PegasusForConditionalGeneration(PegasusConfig(**SIZES, scale_embedding=True, activation_function="gelu_new")),
    "marian-two-vocabularies": lambda: MarianMTModel(MarianConfig(
        **{**SIZES, "d_model": 15, "encoder_attention_heads": 5, "decoder_attention_heads": 3}, decoder_vocab_size=19, share_encoder_decoder_embeddings=False,
        activation_function="swish", scale_embedding=True)),
    "t5": lambda: T5ForConditionalGeneration(T5Config(**T5_SIZES, feed_forward_proj="relu")),
    "t5-gated-untied": lambda: T5ForConditionalGeneration(T5Config(**T5_SIZES, feed_forward_proj="gated-gelu", tie_word_embeddings=False)),
    "two-berts": two_berts,
    "two-robertas": two_robertas,
}

SEARCHES = [
    dict(num_beams=4, num_return_sequences=4, max_length=12, length_penalty=1.0, early_stopping=False),
    dict(num_beams=4, num_return_sequences=4, max_length=12, length_penalty=0.6, early_stopping=True, no_repeat_ngram_size=2),
    dict(num_beams=3, num_return_sequences=3, max_length=10, length_penalty=2.0, early_stopping="never"),
]


def randomize(model, generator, end):
    """Weights large enough that every part shows in the logits, and an end token that is likely enough to come."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            is_gain = parameter.dim() == 1 and name.endswith("weight")
            if parameter.requires_grad:
                parameter.copy_(1 + 0.2 * noise if is_gain else 0.3 * noise)
        for name, buffer in model.named_buffers():
            if name == "final_logits_bias":
                buffer.copy_(0.3 * torch.randn(buffer.shape, generator=generator))
                buffer[0, end] += 0.5


def state_of(model):
    """What save_pretrained would write: one name for each tensor."""
    seen, state = set(), {}
    for name, tensor in model.state_dict().items():
        if "embed_positions" in name and tensor.shape[0] == model.config.max_position_embeddings:
            continue
        key = tensor.data_ptr()
        if key in seen:
            continue
        seen.add(key)
        state[name] = packed(tensor)
    return state


def case(name, index):
    generator = torch.Generator().manual_seed(2000 + index)
    torch.manual_seed(index)
    model = CASES[name]().eval()
    if name == "t5-gated-untied":
        model.lm_head.weight = torch.nn.Parameter(torch.zeros_like(model.lm_head.weight))
    config = model.config
    randomize(model, generator, config.eos_token_id)
    sides = [getattr(config, side, None) for side in ("encoder", "decoder")]
    source_vocabulary = sides[0].vocab_size if sides[0] else config.vocab_size
    target_vocabulary = sides[1].vocab_size if sides[1] else getattr(config, "decoder_vocab_size", None) or config.vocab_size
    source = torch.randint(3, source_vocabulary, (3, 13), generator=generator)
    lengths = [13, 9, 4]
    mask = torch.tensor([[position < length for position in range(13)] for length in lengths])
    source[~mask] = config.pad_token_id
    labels = torch.randint(3, target_vocabulary, (3, 11), generator=generator)
    # RoBERTa gives padding a position of its own, which nothing that counts can see.
    for row, length in enumerate([11, 11, 11] if name == "two-robertas" else [11, 6, 8]):
        labels[row, length:] = -100
    start = torch.full((3, 1), config.decoder_start_token_id)
    decoder_input = torch.cat([start, torch.where(labels < 0, config.pad_token_id, labels)[:, :-1]], 1)
    logits = model(input_ids=source, attention_mask=mask.long(), decoder_input_ids=decoder_input).logits
    loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=-100)
    loss.backward()
    gradients = {n: packed(p.grad) for n, p in model.named_parameters() if p.grad is not None}

    # Its cache counts the layers of the encoder, which a T5 with other numbers of layers does not survive.
    settings = dict(use_cache=config.model_type not in ("t5", "encoder-decoder"), input_ids=source, attention_mask=mask.long(), do_sample=False, return_dict_in_generate=True, output_scores=True)
    with torch.no_grad():
        greedy = model.generate(**settings, num_beams=1, max_length=12).sequences
        searches = []
        for search in SEARCHES:
            result = model.generate(**settings, **search)
            searches.append({"settings": search, "sequences": result.sequences.tolist(), "scores": result.sequences_scores.tolist()})
    written = config.to_dict() if sides[0] else config.to_diff_dict() | {"model_type": config.model_type, "vocab_size": config.vocab_size}
    for key in (*SIZES, *T5_SIZES):
        if hasattr(config, key) and not sides[0]:
            written[key] = getattr(config, key)
    if name == "t5-gated-untied":
        written |= {"tie_word_embeddings": False, "scale_decoder_outputs": False}
    written.pop("transformers_version", None)
    return {
        "name": name, "config": written, "state": state_of(model), "source": source.tolist(), "sourceMask": mask.int().tolist(),
        "tokens": decoder_input.tolist(), "labels": labels.tolist(), "logits": packed(logits), "loss": loss.item(),
        **({"gradients": gradients} if name in ("bart", "t5-gated-untied") else {}), "greedy": greedy.tolist(), "searches": searches,
    }


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--out", type=pathlib.Path, required=True)
    arguments.add_argument("--only", help="one case")
    options = arguments.parse_args()
    for index, name in enumerate(CASES):
        if options.only and name != options.only:
            continue
        (options.out / f"pairs-{name}.json").write_text(json.dumps(case(name, index), separators=(",", ":")) + "\n")


main()
