// The FLOP step on tiny models: its size, its graphs that shrink, and a run that goes on where it was.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '#engine';
import { createOnnxEngine } from '#engine/onnx';
import { tinyModel } from '../tiny-model.ts';
import { tinyCorpus } from '../../train/tiny-training.ts';
import { recordingContext, runFlop } from './run-flop.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await createOnnxEngine({ threads: 1 });
});
afterAll(() => engine.dispose());

const corpus = tinyCorpus();
const model = tinyModel();
const training = { steps: 60, batchSize: 2, sequenceLength: 8, learningRate: 0.01, teacher: 'none' };

describe('flop', () => {
  it('brings', async () => {
    const context = recordingContext();
    const { report } = await runFlop({ ratio: 0.4, training, settleSteps: 10 }, { engine, model, corpus, context });
    for (const e of context.events) console.log(e.step, e.loss?.toFixed(3), e.sparsity?.toFixed(3), e.targetSparsity?.toFixed(3), e.lambda1?.toFixed(2), e.lambda2?.toFixed(2), e.deviceBytes);
    console.log(JSON.stringify(report, null, 1).slice(0, 1500));
  });
});
