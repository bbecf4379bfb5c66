"""Reads a safetensors file with the format's own library and writes one: `read FILE` prints it, `write FILE` makes it."""

import json
import sys

import torch
from safetensors import safe_open
from safetensors.torch import save_file

command, path = sys.argv[1:3]
if command == "read":
    with safe_open(path, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}
        print(
            json.dumps(
                {
                    "metadata": file.metadata(),
                    "tensors": {
                        name: {"dtype": str(t.dtype), "shape": list(t.shape), "values": t.double().flatten().tolist()}
                        for name, t in tensors.items()
                    },
                }
            )
        )
else:
    values = torch.tensor([[-1.5, 0.0, 2.0], [3.0, 4.0, 100.0]])
    dtypes = {
        "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I64": torch.int64,
        "I32": torch.int32, "I8": torch.int8, "BOOL": torch.bool,
    }  # fmt: skip
    tensors = {name: values.to(dtype) for name, dtype in dtypes.items()}
    tensors["U8"] = values.abs().to(torch.uint8)
    tensors["scalar"] = torch.tensor(7.0)
    tensors["empty"] = torch.zeros(0, 4)
    save_file(tensors, path, {"format": "pt"})
    print("null")
