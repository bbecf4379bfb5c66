// The likeliest tokens of rows on a device; that they are those of the logits is tested with the runner.
import { expect, it } from 'vitest';
import { AppError } from '#base';
import type { Engine } from '#engine';
import { createReferenceEngine } from '#engine/reference';
import { float32 } from '#tensor';
import { TokenPicker } from '../../../src/serve/token-picker.ts';

it('takes the first of equals, and tries again after its program could not be made', async () => {
  const engine = createReferenceEngine();
  let attempts = 0;
  const failingOnce: Engine = {
    ...engine,
    name: engine.name,
    compile: (...given) => {
      attempts += 1;
      return attempts === 1 ? Promise.reject(new AppError('out_of_memory', 'no more memory.')) : engine.compile(...given);
    },
  };
  const picker = new TokenPicker(failingOnce, 3);
  const logits = engine.upload(float32([2, 3], [1, 4, 4, 2, 0, -1]));
  await expect(picker.pick(logits, undefined)).rejects.toMatchObject({ code: 'out_of_memory' });
  const best = [
    { id: 1, logit: 4 },
    { id: 0, logit: 2 },
  ];
  expect(await picker.pick(logits, undefined)).toEqual(best);
  expect(await picker.pick(logits, undefined)).toEqual(best);
  expect(attempts).toBe(2);
  logits.release();
  await picker.release();
  expect(engine.counters()).toMatchObject({ buffers: 0, programs: 0 });
});
