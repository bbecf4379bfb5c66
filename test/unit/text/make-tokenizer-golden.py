# Writes tokenizer-golden.json: ids and texts of the native library for both fixture tokenizers.
# Made with tokenizers 0.23.3. Run from the repository root: python test/unit/text/make-tokenizer-golden.py
import json
from pathlib import Path

from tokenizers import Tokenizer

TEXTS = [
    "Hello, world!",
    "  two  spaces\n\nand a tab\there's 1,234 it's",
    "Mikhail Kalashnikov (Russian: Калашников) 7.62×39mm",
    "日本語 🙂👩‍👩‍👧 naïve",
    "<|endoftext|> a <s> b </s>",
    "\ufeffbom",
    "Once upon a time, there was",
    "",
    "   ",
    "a\r\nb\r\n",
]

golden = {}
for name in ["wiki-gpt2-7m", "stories260K"]:
    tokenizer = Tokenizer.from_file(f"test/fixtures/models/{name}/tokenizer.json")
    golden[name] = [
        {
            "text": text,
            "ids": tokenizer.encode(text, add_special_tokens=False).ids,
            "withSpecial": tokenizer.encode(text).ids,
            "decoded": tokenizer.decode(tokenizer.encode(text, add_special_tokens=False).ids, skip_special_tokens=True),
        }
        for text in TEXTS
    ]
Path("test/unit/text/tokenizer-golden.json").write_text(json.dumps(golden, ensure_ascii=True))
