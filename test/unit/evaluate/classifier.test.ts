// Scores of classifiers: against their definitions over one-hot vectors, and a model's own guesses.
import { afterAll, describe, expect, it } from 'vitest';
import { quietContext } from '#base';
import { createReferenceEngine } from '#engine/reference';
import { classificationScores, evaluateClassifier } from '#evaluate';
import { albertConfig, bertConfig, tinyEncoder, tinyTexts, twoLabels } from '#test/encoders';

const engine = createReferenceEngine();
afterAll(() => engine.dispose());

describe('classificationScores', () => {
  it('are those of their definitions, for two labels and for three', () => {
    const two = classificationScores([
      [50, 10],
      [5, 35],
    ]);
    expect(two.accuracy).toBeCloseTo(0.85, 12);
    expect(two.f1).toBeCloseTo(0.823529411764706, 12);
    expect(two.macroF1).toBeCloseTo(0.846547314578005, 12);
    expect(two.matthews).toBeCloseTo(0.697518448882886, 12);
    const three = classificationScores([
      [4, 1, 0],
      [2, 3, 1],
      [0, 0, 5],
    ]);
    expect(three.accuracy).toBeCloseTo(0.75, 12);
    expect(three.f1).toBe(three.macroF1);
    expect(three.macroF1).toBeCloseTo(0.745454545454545, 12);
    expect(three.matthews).toBeCloseTo(0.639064442247054, 12);
  });

  it('say 0 for a model that always guesses the same', () => {
    const scores = classificationScores([
      [0, 3],
      [0, 7],
    ]);
    expect(scores).toMatchObject({ accuracy: 0.7, matthews: 0 });
  });
});

describe('evaluateClassifier', () => {
  const texts = tinyTexts(21);

  it.each([
    ['BERT', bertConfig(twoLabels)],
    ['ALBERT', albertConfig(twoLabels)],
  ])('says the same of %s in batches of any size', async (_, config) => {
    const model = tinyEncoder(config);
    const one = await evaluateClassifier(model, { texts, batch: 1 }, engine, quietContext);
    const eight = await evaluateClassifier(model, { texts, batch: 8 }, engine, quietContext);
    expect(one.confusion).toEqual(eight.confusion);
    expect(one.lossNats).toBeCloseTo(eight.lossNats, 5);
    expect(one.confusion.flat().reduce((sum, count) => sum + count, 0)).toBe(21);
    expect(one).toMatchObject({ examples: 21, labels: ['low', 'high'] });
    expect(engine.counters()).toMatchObject({ buffers: 0, programs: 0 });
  });

  it('refuses other tasks, unknown labels and no text', async () => {
    const model = tinyEncoder(bertConfig(twoLabels));
    const other = tinyEncoder(bertConfig({ kind: 'masked' }));
    await expect(evaluateClassifier(other, { texts }, engine, quietContext)).rejects.toMatchObject({ code: 'unsupported' });
    await expect(evaluateClassifier(model, { texts: [] }, engine, quietContext)).rejects.toMatchObject({ code: 'empty_data' });
    const wrong = [{ ...texts[0]!, label: 5 }];
    await expect(evaluateClassifier(model, { texts: wrong }, engine, quietContext)).rejects.toMatchObject({ code: 'bad_data' });
  });
});
