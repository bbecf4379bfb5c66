# Log-likelihoods of LAMBADA and BLiMP subsets on the fixture model, by transformers alone. Writes golden.json beside itself.
# On a CPU in float32, with torch and transformers of any recent version (those used are in the file):  python test/golden/harness/make-golden.py
import gzip
import json
from pathlib import Path

import torch
import transformers

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
EVAL = ROOT.parent / "shared" / "data" / "eval"
MODEL = ROOT / "test" / "fixtures" / "models" / "wiki-gpt2-7m"
LAMBADA_ROWS = 120
BLIMP_ROWS = 80

tokenizer = transformers.AutoTokenizer.from_pretrained(MODEL)
model = transformers.AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32).eval()


@torch.no_grad()
def score(context: str, continuation: str) -> tuple[float, bool]:
    """As lm-evaluation-harness defines it, one text at a time."""
    if context:
        trimmed = context.rstrip()
        whole = tokenizer(trimmed + context[len(trimmed) :] + continuation, add_special_tokens=False).input_ids
        split = len(tokenizer(trimmed, add_special_tokens=False).input_ids)
    else:
        whole = [tokenizer.bos_token_id, *tokenizer(continuation, add_special_tokens=False).input_ids]
        split = 1
    logprobs = torch.log_softmax(model(torch.tensor([whole])).logits[0].double(), dim=-1)
    places = range(split, len(whole))
    total = sum(logprobs[place - 1, whole[place]].item() for place in places)
    return total, all(logprobs[place - 1].argmax().item() == whole[place] for place in places)


def main() -> None:
    with open(EVAL / "lambada" / "lambada_openai.jsonl", encoding="utf-8") as file:
        lambada = [json.loads(line) for line in file][:LAMBADA_ROWS]
    with gzip.open(EVAL / "blimp" / "blimp.jsonl.gz", "rt", encoding="utf-8") as file:
        all_pairs = [json.loads(line) for line in file]
    step = len(all_pairs) // BLIMP_ROWS
    rows = [index * step for index in range(BLIMP_ROWS)]
    lambada_scores = [score(row["context"], " " + row["continuation"]) for row in lambada]
    blimp_scores = [[score("", all_pairs[row][key]) for key in ("sentence_good", "sentence_bad")] for row in rows]
    golden = {
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
        "lambada": {
            "rows": list(range(LAMBADA_ROWS)),
            "scores": lambada_scores,
            "accuracy": sum(greedy for _, greedy in lambada_scores) / LAMBADA_ROWS,
        },
        "blimp": {
            "rows": rows,
            "scores": blimp_scores,
            "accuracy": sum(good[0] > bad[0] for good, bad in blimp_scores) / BLIMP_ROWS,
        },
    }
    (HERE / "golden.json").write_text(json.dumps(golden) + "\n", encoding="utf-8")


main()
