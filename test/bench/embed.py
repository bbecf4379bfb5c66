# sentence-transformers' side of embed.ts: answers each line "step" with the milliseconds that one call took.
import json
import sys
import time

import torch
from sentence_transformers import SentenceTransformer

spec = json.loads(sys.argv[1])
torch.set_num_threads(spec["threads"])
model = SentenceTransformer(spec["folder"], device="cpu")
model.eval()


def run() -> tuple[float, list[list[float]]]:
    start = time.perf_counter()
    with torch.inference_mode():
        vectors = model.encode(spec["texts"], batch_size=len(spec["texts"]), show_progress_bar=False)
    return (time.perf_counter() - start) * 1000, vectors.tolist()


_, vectors = run()
print(json.dumps({"vectors": vectors, "version": torch.__version__}), flush=True)
for _ in sys.stdin:
    milliseconds, _ = run()
    print(json.dumps({"milliseconds": milliseconds}), flush=True)
