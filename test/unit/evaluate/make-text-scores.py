"""Golden BLEU and ROUGE of made-up texts, by sacrebleu 2.6.0 and rouge-score 0.1.2, and stems by NLTK.

    python test/unit/evaluate/make-text-scores.py > test/unit/evaluate/text-scores.json
"""

import json
import random

import sacrebleu
from nltk.stem.porter import PorterStemmer
from rouge_score import rouge_scorer, tokenize

CASES = {
    "translations": (
        ["The cat sat on the mat.", "It's raining cats & dogs, isn't it?", "He paid $1,234.50 in 2019-2020 (about 3.5%)."],
        [["The cat is sitting on the mat."], ["It is raining cats and dogs, isn't it?"], ["He paid $1,234.50 during 2019-2020 (roughly 3.5%)."]],
    ),
    "several references": (
        ["a quick brown fox jumps", "the study shows improved results for relational models"],
        [["the quick brown fox jumped", "a fast brown fox jumps over"], ["studies showed improvements in relational modelling", "the study shows better results"]],
    ),
    "short, smoothed": (["a b", "c d e f"], [["a c"], ["c e d g"]]),
    "nothing in common": (["x y z w v"], [["a b c d e"]]),
    "shorter than four tokens": (["hello world"], [["hello world"]]),
    "empty hypothesis": (["", "the dog barks at night"], [["a dog"], ["the dog barks every night"]]),
    "entities and line breaks": (["&quot;A &amp; B&quot; &lt;c&gt; over-\nlap\nend <skipped> ."], [['"A & B" <c> overlap end.']]),
    "other scripts": (["Der Übergang – „groß“ – kostet 5 €.", "日本語 の テスト。"], [["Der Übergang - „gross“ - kostet 5,00 €."], ["日本語 の 試験。"]]),
    "identical": (["One two three four five six.", "Seven, eight; nine: ten!"], [["One two three four five six."], ["Seven, eight; nine: ten!"]]),
}

WORDS = """caresses ponies ties caress cats feed agreed plastered bled motoring sing conflated troubled sized hopping tanned falling hissing fizzed
failing filing happy sky relational conditional rational valenci hesitanci digitizer conformabli radicalli differentli vileli analogousli
vietnamization predication operator feudalism decisiveness hopefulness callousness formaliti sensitiviti sensibiliti triplicate formative
formalize electriciti electrical hopeful goodness revival allowance inference airliner gyroscopic adjustable defensible irritant replacement
adjustment dependent adoption homologou communism activate angulariti homologous effective bowdlerize probate rate cease controll roll
dying lying skies news innings proceed succeed dies died spied tried flies enjoy enjoyment spy geology theology fully hopefully generally
really running easily studies studied yes syzygy toy ivy eyed used using owed abilities possibly nationally archaeology""".split()


def main():
    random.seed(5)
    vocabulary = "the a model models training trained of in and, summarization summaries 12.5 (see) improves improved results! on data-sets".split()
    noisy = [" ".join(random.choice(vocabulary) for _ in range(random.randint(3, 20))) for _ in range(30)]
    CASES["random"] = (noisy, [[" ".join(word for word in text.split() if random.random() > 0.3) or "a"] for text in noisy])
    cases = []
    for name, (hypotheses, references) in CASES.items():
        most = max(len(options) for options in references)
        columns = [[options[index] if index < len(options) else None for options in references] for index in range(most)]
        score = sacrebleu.corpus_bleu(hypotheses, columns)
        rouge = {}
        for stems in (False, True):
            scorer = rouge_scorer.RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=stems)
            rows = [scorer.score_multi(options, hypothesis) for hypothesis, options in zip(hypotheses, references)]
            rouge["stems" if stems else "words"] = {
                kind: [sum(getattr(row[kind], field) for row in rows) / len(rows) for field in ("precision", "recall", "fmeasure")]
                for kind in ("rouge1", "rouge2", "rougeL")
            }
        cases.append({
            "name": name, "hypotheses": hypotheses, "references": references,
            "bleu": {"score": score.score, "precisions": score.precisions, "brevityPenalty": score.bp, "hypothesisTokens": score.sys_len, "referenceTokens": score.ref_len},
            "rouge": rouge,
        })
    stemmer = PorterStemmer()
    print(json.dumps({"cases": cases, "stems": {word: stemmer.stem(word) for word in WORDS}}, ensure_ascii=False, indent=1))


main()
