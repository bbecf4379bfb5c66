// BLEU against sacrebleu, ROUGE against rouge-score, stems against NLTK.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { bleu, type RougeScore, rouge } from '#evaluate';
import { porterStem } from '../../../src/evaluate/porter-stemmer.ts';

interface Golden {
  readonly cases: readonly {
    readonly name: string;
    readonly hypotheses: readonly string[];
    readonly references: readonly (readonly string[])[];
    readonly bleu: Readonly<Record<'score' | 'brevityPenalty' | 'hypothesisTokens' | 'referenceTokens', number>> & {
      readonly precisions: readonly number[];
    };
    readonly rouge: Readonly<Record<'words' | 'stems', Readonly<Record<'rouge1' | 'rouge2' | 'rougeL', readonly number[]>>>>;
  }[];
  readonly stems: Readonly<Record<string, string>>;
}

const golden = JSON.parse(readFileSync(new URL('text-scores.json', import.meta.url), 'utf8')) as Golden;

describe('BLEU', () => {
  it.each(golden.cases.map((each) => [each.name, each] as const))('of "%s" is that of sacrebleu', (_, each) => {
    const found = bleu(each.hypotheses, each.references);
    for (const field of ['score', 'brevityPenalty', 'hypothesisTokens', 'referenceTokens'] as const)
      expect(found[field], field).toBeCloseTo(each.bleu[field], 9);
    for (const [order, precision] of found.precisions.entries())
      expect(precision, `order ${order + 1}`).toBeCloseTo(each.bleu.precisions[order]!, 9);
  });

  it('refuses hypotheses without references, and none at all', () => {
    expect(() => bleu(['a'], [])).toThrow(/1 hypotheses have 0 lists/);
    expect(() => bleu(['a'], [[]])).toThrow(/hypothesis 0 has no reference/);
    expect(() => bleu([], [])).toThrow(/no hypothesis/);
  });
});

describe('ROUGE', () => {
  const list = ({ precision, recall, fMeasure }: RougeScore): number[] => [precision, recall, fMeasure];

  it.each(golden.cases.map((each) => [each.name, each] as const))('of "%s" is that of rouge-score, with stems and without', (_, each) => {
    for (const [kind, stems] of [
      ['words', false],
      ['stems', true],
    ] as const) {
      const found = rouge(each.hypotheses, each.references, { stems });
      for (const name of ['rouge1', 'rouge2', 'rougeL'] as const)
        for (const [index, value] of list(found[name]).entries())
          expect(value, `${kind} ${name}`).toBeCloseTo(each.rouge[kind][name][index]!, 9);
    }
  });
});

describe('porterStem', () => {
  it('has the stems of NLTK', () => {
    const found = Object.fromEntries(Object.keys(golden.stems).map((word) => [word, porterStem(word)]));
    expect(found).toEqual(golden.stems);
  });
});
