// Models that read a text as a whole: classifiers, embedders, and those that fill in masks.
import { at, quietContext } from '#base';
import type { InferenceBackend, ModelDescription } from '#jobs';
import { packFloats, packTexts, refusal, unpackTexts } from '../packing.ts';
import { flag, parameterRefusal, refuseUnknown, wholeNumber } from '../parameters.ts';
import type { Answer, CheckedRequest, OutputTensor, ServedModel, TensorSpec } from '../served-model.ts';
import { type ModelIdentity, maxTextBatch, onnxPlatform } from './identity.ts';

const text: TensorSpec = { name: 'text', datatype: 'BYTES', dims: [1] };

const floats = (name: string, shape: readonly number[], values: ArrayLike<number>): OutputTensor => ({
  name,
  datatype: 'FP32',
  shape,
  bytes: packFloats(values),
});

function textsOf({ inputs }: CheckedRequest, name: string): string[] | undefined {
  const tensor = inputs.get(name);
  return tensor === undefined ? undefined : unpackTexts(tensor.bytes, name);
}

/** Inputs `text` and, for pairs, `text_pair`; outputs `label`, `probabilities` and `logits`, the last two in the order of `labels`. */
export function classifierModel(
  { name, version, reference }: ModelIdentity,
  { labels = [] }: ModelDescription,
  inference: InferenceBackend,
): ServedModel {
  return {
    name,
    version,
    platform: onnxPlatform,
    maxBatchSize: maxTextBatch,
    inputs: [text, { name: 'text_pair', datatype: 'BYTES', dims: [1], optional: true }],
    outputs: [
      { name: 'label', datatype: 'BYTES', dims: [1] },
      { name: 'probabilities', datatype: 'FP32', dims: [labels.length] },
      { name: 'logits', datatype: 'FP32', dims: [labels.length] },
    ],
    facts: { labels: JSON.stringify(labels) },
    isQueued: false,
    async infer(request, signal): Promise<Answer> {
      refuseUnknown(request.parameters, [], name);
      const texts = textsOf(request, 'text') ?? [];
      const seconds = textsOf(request, 'text_pair');
      const inputs = texts.map((first, index) => (seconds === undefined ? { first } : { first, second: at(seconds, index) }));
      const { results } = await inference.classify(reference, inputs, { ...quietContext, signal });
      const shape = [texts.length, labels.length];
      return {
        outputs: [
          {
            name: 'label',
            datatype: 'BYTES',
            shape: request.inputs.get('text')?.shape ?? [texts.length],
            bytes: packTexts(results.map(({ label }) => label)),
          },
          floats(
            'probabilities',
            shape,
            results.flatMap(({ probabilities }) => probabilities),
          ),
          floats(
            'logits',
            shape,
            results.flatMap(({ logits }) => logits),
          ),
        ],
        runs: [texts.length],
        isLast: true,
      };
    },
  };
}

/** Input `text`; output `embedding`. Parameter `normalize`: at length 1, or not; as the model says where it is left out. */
export function embedderModel(
  { name, version, reference }: ModelIdentity,
  { width, contextTokens }: ModelDescription,
  inference: InferenceBackend,
): ServedModel {
  return {
    name,
    version,
    platform: onnxPlatform,
    maxBatchSize: maxTextBatch,
    inputs: [text],
    outputs: [{ name: 'embedding', datatype: 'FP32', dims: [width] }],
    facts: { context_tokens: String(contextTokens) },
    isQueued: false,
    async infer(request, signal): Promise<Answer> {
      refuseUnknown(request.parameters, ['normalize'], name);
      const normalize = request.parameters.get('normalize');
      const options = normalize === undefined ? {} : { normalize: flag('normalize', normalize) };
      const texts = textsOf(request, 'text') ?? [];
      const vectors = await inference.embed(reference, texts, options, { ...quietContext, signal });
      const all = new Float32Array(texts.length * width);
      for (const [index, { values }] of vectors.entries()) all.set(values, index * width);
      return { outputs: [floats('embedding', [texts.length, width], all)], runs: [texts.length], isLast: true };
    },
  };
}

const defaultCandidates = 5;
const mostCandidates = 1000;

/** Input `text`, one text; outputs `token` and `probability` [masks, top_k], likeliest first. Parameter `top_k`, 5 where it is left out. */
export function maskModel(
  { name, version, reference }: ModelIdentity,
  { tokens, contextTokens }: ModelDescription,
  inference: InferenceBackend,
): ServedModel {
  return {
    name,
    version,
    platform: onnxPlatform,
    maxBatchSize: 0,
    inputs: [text],
    outputs: [
      { name: 'token', datatype: 'BYTES', dims: [-1, -1] },
      { name: 'probability', datatype: 'FP32', dims: [-1, -1] },
    ],
    facts: { mask_token: tokens.mask?.text ?? '', context_tokens: String(contextTokens) },
    isQueued: false,
    async infer(request, signal): Promise<Answer> {
      refuseUnknown(request.parameters, ['top_k'], name);
      const topK = wholeNumber('top_k', request.parameters.get('top_k') ?? defaultCandidates);
      if (topK < 1 || topK > mostCandidates) throw parameterRefusal('top_k', `1 to ${mostCandidates}`, topK);
      const [result] = await inference.fillMask(reference, textsOf(request, 'text') ?? [], { topK }, { ...quietContext, signal });
      if (result === undefined) throw refusal('text', 'holds no mask.');
      const rows = result.masks;
      const shape = [rows.length, rows[0]?.length ?? 0];
      const candidates = rows.flat();
      return {
        outputs: [
          { name: 'token', datatype: 'BYTES', shape, bytes: packTexts(candidates.map(({ token }) => token)) },
          floats(
            'probability',
            shape,
            candidates.map(({ probability }) => probability),
          ),
        ],
        runs: [1],
        isLast: true,
      };
    },
  };
}
