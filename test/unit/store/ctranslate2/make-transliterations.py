"""Golden transliterations of the Arabic-English model by CTranslate2 4.8.5.

    python make-transliterations.py FOLDER > transliterations.json    (FOLDER holds fp32, int16 and int8)
"""

import json
import sys

import ctranslate2

WORDS = ["محمد", "فاطمة", "القاهرة", "سوريا", "كتاب", "جورج", "الجزائر", "واشنطن"]


def main():
    result = {}
    for kind in ("fp32", "int16", "int8"):
        translator = ctranslate2.Translator(f"{sys.argv[1]}/{kind}", device="cpu", compute_type="float32", intra_threads=1)
        sources = [list(word) for word in WORDS]
        greedy = translator.translate_batch(sources, beam_size=1, return_scores=True, length_penalty=1)
        beam = translator.translate_batch(sources, beam_size=4, return_scores=True, length_penalty=1)
        given = translator.score_batch(sources, [list("mohamed")] * len(sources))
        result[kind] = [
            {
                "source": word, "greedy": "".join(one.hypotheses[0]), "score": one.scores[0], "beam": "".join(four.hypotheses[0]), "beamScore": four.scores[0],
                "logProbabilities": scored.log_probs,
            }
            for word, one, four, scored in zip(WORDS, greedy, beam, given)
        ]
    print(json.dumps({"target": "mohamed", "models": result}, ensure_ascii=False, indent=1))


main()
