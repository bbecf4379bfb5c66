// The calls of InferenceService that encoders answer: Classify, Embed and FillMask.
import { quietContext } from '#base';
import type { InferenceBackend } from '#jobs';
import type { CallGate } from '../calls.ts';
import type { InferenceServiceHandlers } from '../gen/athanor/v1/InferenceService.ts';

export function encoderCalls(
  gate: CallGate,
  inference: InferenceBackend,
): Pick<InferenceServiceHandlers, 'Classify' | 'Embed' | 'FillMask'> {
  return {
    Classify: gate.unary(async ({ model, inputs }, { signal }) => {
      const given = inputs.map(({ first, second }) => (second === undefined ? { first } : { first, second }));
      const { labels, results } = await inference.classify(model, given, { ...quietContext, signal });
      return {
        labels: [...labels],
        results: results.map(({ label, probabilities, logits }) => ({ label, probabilities: [...probabilities], logits: [...logits] })),
      };
    }),
    Embed: gate.unary(async ({ model, texts, normalize }, { signal }) => {
      const options = normalize === undefined ? {} : { normalize };
      const embeddings = await inference.embed(model, texts, options, { ...quietContext, signal });
      return { embeddings: embeddings.map(({ values, tokens, truncated }) => ({ values: Array.from(values), tokens, truncated })) };
    }),
    FillMask: gate.unary(async ({ model, texts, topK }, { signal }) => {
      const results = await inference.fillMask(model, texts, topK === undefined ? {} : { topK }, { ...quietContext, signal });
      return { results: results.map(({ masks }) => ({ masks: masks.map((candidates) => ({ candidates: [...candidates] })) })) };
    }),
  };
}
