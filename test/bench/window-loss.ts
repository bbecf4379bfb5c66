// Windows of text and a model's loss on them, each predicted from its window alone.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import type { Engine } from '#engine';
import { buildScoreGraph, graphNames, type Model, modelInputs } from '#models';
import { importHuggingFace } from '#store';
import { type HostTensor, hostTensor, int64, toNumbers } from '#tensor';
import { sharedFolder } from '#test/shared';
import { type Tokenizer, tokenizerFromFiles } from '#text';

const windowLength = 256;
const batch = 8;

export interface WindowedModel {
  readonly model: Model;
  readonly calibration: readonly HostTensor<'int64'>[];
  readonly heldOut: readonly HostTensor<'int64'>[];
}

/** The Wikipedia model of ../shared and so many windows of its training and validation text. */
export async function openWindowedModel(numCalibration: number, numHeldOut: number): Promise<WindowedModel> {
  if (sharedFolder === undefined) throw new Error('this measurement needs ../shared');
  const folder = join(sharedFolder, 'data/lm/wikipedia2015');
  const { model, tokenizerFiles } = await importHuggingFace(join(sharedFolder, 'models/wiki-gpt2-7m'));
  const tokenizer = tokenizerFromFiles(tokenizerFiles);
  return {
    model,
    calibration: readWindows(tokenizer, join(folder, 'train_sample.txt.gz'), 1_000_000, numCalibration),
    heldOut: readWindows(tokenizer, join(folder, 'valid.txt.gz'), 400_000, numHeldOut),
  };
}

function readWindows(tokenizer: Tokenizer, file: string, characters: number, count: number): HostTensor<'int64'>[] {
  const text = gunzipSync(readFileSync(file)).subarray(0, characters).toString('utf8');
  const ids = tokenizer.encode(text, { addSpecialTokens: false });
  return Array.from({ length: count / batch }, (_, index) => {
    const start = index * batch * windowLength;
    return int64([batch, windowLength], ids.subarray(start, start + batch * windowLength));
  });
}

/** Mean nats over positions 1 … 255 of every window. */
export async function windowLoss(engine: Engine, model: Model, windows: readonly HostTensor<'int64'>[]): Promise<number> {
  const program = await engine.compile(buildScoreGraph(model, { batch, length: windowLength }), { frozen: new Map(modelInputs(model)) });
  let sum = 0;
  let scored = 0;
  for (const tokens of windows) {
    const labels = hostTensor(
      'int64',
      tokens.shape,
      BigInt64Array.from(tokens.data, (_, index) => tokens.data[index + 1] ?? 0n),
    );
    const outputs = await program.run({ [graphNames.tokens]: tokens, [graphNames.labels]: labels });
    const nats = outputs[graphNames.negativeLogLikelihood];
    if (nats === undefined) throw new Error('the score graph answered without its loss');
    toNumbers(nats.read()).forEach((value, index) => {
      if (index % windowLength === windowLength - 1) return;
      sum += value;
      scored++;
    });
    for (const output of Object.values(outputs)) output.release();
  }
  await program.release();
  return sum / scored;
}
