# The Python sides of decode.ts: a GPT-2 in CTranslate2, OpenVINO or PyTorch that answers each line with one line of JSON.
# Needs: torch, transformers, numpy, and ctranslate2 or openvino with nncf for those. Usage: decode_peers.py KIND FOLDER THREADS wall|processor
#
# FOLDER is a Hugging Face folder without a tokenizer. Lines: "decode BATCH PROMPT STEPS" gives the seconds of STEPS steps behind a prompt, one token a
# sequence each; "prefill BATCH LENGTH" those of one forward over whole prompts; "tokens" the greedy tokens after one fixed prompt.
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from transformers import GPT2LMHeadModel

kind, folder, threads = sys.argv[1], sys.argv[2], int(sys.argv[3])
torch.set_num_threads(threads)
clock = time.process_time if sys.argv[4] == "processor" else time.perf_counter


def prompts(batch, length, vocabulary):
    """The same arbitrary tokens as on the other side."""
    cells = np.arange(batch * length, dtype=np.int64).reshape(batch, length)
    return (cells * 7919 + 13) % vocabulary


class Torch:
    """transformers with its own cache, one forward a step."""

    def __init__(self, dtype):
        self.model = GPT2LMHeadModel.from_pretrained(folder, dtype=dtype).eval()
        self.vocabulary = self.model.config.vocab_size

    @torch.inference_mode()
    def decode(self, ids, steps):
        """Seconds of the steps, without the prompt; and the tokens of the first sequence."""
        answer = self.model(input_ids=torch.from_numpy(ids), use_cache=True, logits_to_keep=1)
        cache, chosen = answer.past_key_values, answer.logits[:, -1].argmax(-1)
        made = [chosen[0].item()]
        started = clock()
        for _ in range(steps):
            answer = self.model(input_ids=chosen[:, None], past_key_values=cache, use_cache=True, logits_to_keep=1)
            cache, chosen = answer.past_key_values, answer.logits[:, -1].argmax(-1)
            made.append(chosen[0].item())
        return clock() - started, made

    @torch.inference_mode()
    def prefill(self, ids):
        started = clock()
        self.model(input_ids=torch.from_numpy(ids), use_cache=True, logits_to_keep=1)
        return clock() - started


class CTranslate2:
    """The library's own converter of GPT-2 and its own loop; steps are timed as the difference of a long and a short answer."""

    def __init__(self, compute_type):
        import ctranslate2
        from ctranslate2.converters.transformers import GPT2Loader

        model = GPT2LMHeadModel.from_pretrained(folder, dtype=torch.float32)
        self.vocabulary = model.config.vocab_size
        spec = GPT2Loader().get_model_spec(model)
        self.names = [f"t{index}" for index in range(self.vocabulary)]
        spec.register_vocabulary(self.names)
        # No name is a token that ends an answer before its time.
        spec.config.bos_token = spec.config.eos_token = spec.config.unk_token = self.names[0]
        spec.validate()
        spec.optimize(quantization=None if compute_type == "float32" else compute_type)
        target = Path(tempfile.mkdtemp(prefix="ct2-"))
        spec.save(str(target))
        self.generator = ctranslate2.Generator(
            str(target), device="cpu", compute_type=compute_type, inter_threads=1, intra_threads=threads
        )

    def answer(self, ids, tokens):
        words = [[self.names[index] for index in row] for row in ids]
        started = clock()
        results = self.generator.generate_batch(
            words,
            max_length=tokens,
            min_length=tokens,
            sampling_topk=1,
            beam_size=1,
            include_prompt_in_result=False,
            max_batch_size=0,
        )
        elapsed = clock() - started
        return elapsed, results[0].sequences_ids[0]

    def decode(self, ids, steps):
        short, _ = self.answer(ids, 1)
        long, made = self.answer(ids, steps + 1)
        assert len(made) == steps + 1
        return long - short, made

    def prefill(self, ids):
        return self.answer(ids, 1)[0]


class Gpt2ForExport(torch.nn.Module):
    """The same weights, with caches as plain inputs and outputs, in the form that OpenVINO keeps as state inside the model."""

    def __init__(self, model):
        super().__init__()
        self.body, self.head = model.transformer, model.lm_head
        self.heads = model.config.n_head

    def forward(self, ids, positions, columns, *past):
        hidden = self.body.wte(ids) + self.body.wpe(positions)
        batch, length = ids.shape
        presents = []
        # What a query sees: everything up to its own position.
        mask = torch.where(columns[None, None, None, :] <= positions[:, None, :, None], 0.0, float("-inf"))
        for index, block in enumerate(self.body.h):
            q, k, v = block.attn.c_attn(block.ln_1(hidden)).split(hidden.shape[-1], dim=2)
            q, k, v = (x.view(batch, length, self.heads, -1).transpose(1, 2) for x in (q, k, v))
            k = torch.cat([past[2 * index], k], 2)
            v = torch.cat([past[2 * index + 1], v], 2)
            presents += [k, v]
            mixed = torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
            hidden = hidden + block.attn.c_proj(mixed.transpose(1, 2).reshape(batch, length, -1))
            hidden = hidden + block.mlp(block.ln_2(hidden))
        return (self.head(self.body.ln_f(hidden[:, -1:])), *presents)


class OpenVino:
    """One compiled model with its caches as state; weights in 8 bits by NNCF where asked."""

    def __init__(self, weights, precision):
        import openvino as ov
        import openvino.properties as props
        from openvino._offline_transformations import apply_make_stateful_transformation

        source = GPT2LMHeadModel.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
        self.vocabulary = source.config.vocab_size
        self.heads = source.config.n_head
        layers, width = source.config.n_layer, source.config.n_embd // self.heads
        past = [torch.zeros(2, self.heads, 3, width) for _ in range(2 * layers)]
        ids = torch.ones(2, 4, dtype=torch.int64)
        with torch.no_grad():
            model = ov.convert_model(Gpt2ForExport(source), example_input=(ids, ids, torch.arange(7), *past))
        model.inputs[0].get_tensor().set_names({"ids"})
        model.inputs[1].get_tensor().set_names({"positions"})
        model.inputs[2].get_tensor().set_names({"columns"})
        model.reshape(
            {
                index: ov.PartialShape([-1, -1] if index < 2 else [-1] if index == 2 else [-1, self.heads, -1, width])
                for index in range(3 + 2 * layers)
            }
        )
        pairs = {}
        for index in range(2 * layers):
            model.inputs[3 + index].get_tensor().set_names({f"past.{index}"})
            model.outputs[1 + index].get_tensor().set_names({f"present.{index}"})
            pairs[f"past.{index}"] = f"present.{index}"
        self.gather_beams(ov, model, layers)
        apply_make_stateful_transformation(model, pairs)
        self.start_empty(ov, model)
        if weights == "int8":
            import nncf

            nncf.set_log_level(40)
            model = nncf.compress_weights(model, mode=nncf.CompressWeightsMode.INT8_ASYM)
        options = {
            props.hint.performance_mode(): props.hint.PerformanceMode.LATENCY,
            props.inference_num_threads(): threads,
            props.num_streams(): 1,
        }
        if precision == "f32":
            # By default the library holds caches in 8 bits too.
            options[props.hint.inference_precision()] = ov.Type.f32
            options[props.hint.kv_cache_precision()] = ov.Type.f32
        self.request = ov.Core().compile_model(model, "CPU", options).create_infer_request()

    def gather_beams(self, ov, model, layers):
        """The look-up of beams before each cache, which exporters for OpenVINO write and its fusion of caches wants."""
        from openvino import opset13

        beams = opset13.parameter([-1], ov.Type.i32, name="beams")
        beams.output(0).get_tensor().set_names({"beams"})
        for past in model.inputs[3 : 3 + 2 * layers]:
            readers = past.get_node().output(0).get_target_inputs()
            gathered = opset13.gather(past.get_node(), beams, opset13.constant(0))
            for reader in readers:
                reader.replace_source_output(gathered.output(0))
        model.add_parameters([beams])
        model.validate_nodes_and_infer_types()

    def start_empty(self, ov, model):
        """A cache that is read before it was written has no positions."""
        from openvino import opset13

        ids = model.input("ids").get_node()
        batch = opset13.gather(opset13.shape_of(ids, output_type="i64"), opset13.constant([0]), opset13.constant(0))
        for node in model.get_ops():
            if node.get_type_name() != "ReadValue":
                continue
            _, heads, _, width = node.get_output_partial_shape(0)
            sizes = [batch, *(opset13.constant(np.array([size], dtype=np.int64)) for size in (heads.get_length(), 0, width.get_length()))]
            shape = opset13.concat(sizes, 0)
            node.set_arguments([opset13.broadcast(opset13.constant(np.float32(0)), shape)])
        model.validate_nodes_and_infer_types()

    def step(self, ids, start):
        batch, length = ids.shape
        positions = np.broadcast_to(np.arange(start, start + length, dtype=np.int64), (batch, length))
        columns = np.arange(start + length, dtype=np.int64)
        beams = np.arange(batch, dtype=np.int32)
        self.request.infer({"ids": ids, "positions": positions.copy(), "columns": columns, "beams": beams})
        return self.request.get_output_tensor(0).data[:, -1].argmax(-1)

    def decode(self, ids, steps):
        self.request.reset_state()
        chosen = self.step(ids, 0)
        made = [int(chosen[0])]
        started = clock()
        for index in range(steps):
            chosen = self.step(chosen[:, None].astype(np.int64), ids.shape[1] + index)
            made.append(int(chosen[0]))
        return clock() - started, made

    def prefill(self, ids):
        self.request.reset_state()
        started = clock()
        self.step(ids, 0)
        return clock() - started


kinds = {
    "transformers-fp32": lambda: Torch(torch.float32),
    "transformers-bf16": lambda: Torch(torch.bfloat16),
    "ctranslate2-float32": lambda: CTranslate2("float32"),
    "ctranslate2-int8": lambda: CTranslate2("int8"),
    "openvino-fp32": lambda: OpenVino("fp32", "f32"),
    "openvino-int8": lambda: OpenVino("int8", "default"),
    "openvino-int8-f32": lambda: OpenVino("int8", "f32"),
}


def main():
    peer = kinds[kind]()
    print(json.dumps({"ready": kind}), flush=True)
    for line in sys.stdin:
        command, *numbers = line.split()
        sizes = [int(number) for number in numbers]
        if command == "decode":
            batch, prompt, steps = sizes
            seconds, _ = peer.decode(prompts(batch, prompt, peer.vocabulary), steps)
            print(json.dumps({"seconds": seconds}), flush=True)
        elif command == "prefill":
            print(json.dumps({"seconds": peer.prefill(prompts(*sizes, peer.vocabulary))}), flush=True)
        else:
            print(json.dumps({"tokens": peer.decode(prompts(1, 100, peer.vocabulary), 15)[1]}), flush=True)


main()
