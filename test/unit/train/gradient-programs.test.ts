// The programs of a training run are compiled when they are needed first, and given back in the order of their last use.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine, Program } from '#engine';
import { createOnnxEngine } from '#engine/onnx';
import { declarations, trainableNames } from '#models';
import { crossEntropyObjective } from '#train';
import { GradientPrograms } from '../../../src/train/gradient-programs.ts';
import { gpt2, tinyModel } from './tiny-training.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await createOnnxEngine({ threads: 1 });
});
afterAll(() => engine.dispose());

describe('gradient programs', () => {
  const model = tinyModel(gpt2);
  const options = { batch: 2, trained: trainableNames(model), masked: new Set<string>() };
  const variants = ['00', '01', '10', '11'];

  it('hold no more than their limit, and compile again what has gone', async () => {
    const programs = new GradientPrograms(engine, declarations(model), crossEntropyObjective(), options, 2);
    const of = (variant: string): Promise<Program> => programs.program({ length: 4, variant }, false);
    const first = await of('00');
    await of('01');
    expect(await of('00')).toBe(first); // now the newest
    await of('10');
    expect(engine.counters().programs).toBe(2);
    expect(await of('00')).toBe(first);
    await of('01');
    expect(engine.counters().programs).toBe(2);
    expect(await of('00')).toBe(first);
    await programs.release();
    expect(engine.counters().programs).toBe(0);
  });

  it('are those of one variant from now on, for all lengths', async () => {
    const programs = new GradientPrograms(engine, declarations(model), crossEntropyObjective(), options);
    for (const variant of variants) await programs.program({ length: 4, variant }, false);
    const long = await programs.program({ length: 8, variant: '11' }, false);
    const loss = await programs.lossProgram({ length: 8, variant: '11' });
    expect(loss.outputNames).toEqual(['loss']);
    await programs.keepOnly('11');
    expect(engine.counters().programs).toBe(3);
    expect(await programs.program({ length: 8, variant: '11' }, false)).toBe(long);
    await programs.release();
  });
});
