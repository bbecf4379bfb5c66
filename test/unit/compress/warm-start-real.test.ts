// all-MiniLM-L6-v2 as both stacks of an encoder-decoder: what the decoder reads of a source is what MiniLM computes.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { quietContext } from '#base';
import { compressModel, methods, parseRecipe } from '#compress';
import type { Engine } from '#engine';
import { createOnnxEngine } from '#engine/onnx';
import { type Graph, GraphBuilder } from '#graph';
import { buildEncodeGraph, encoderInputs, encoderNetwork, type Model, modelInputs, parameterCounts, storedTensors } from '#models';
import { importHuggingFace, type TokenizerFiles } from '#store';
import { type HostTensor, int64, toNumbers } from '#tensor';
import { miniLmFolder } from '#test/minilm';
import { padTexts, SentenceEncoder, tokenizerFromFiles } from '#text';

describe('a warm start from MiniLM', () => {
  let engine: Engine;
  let miniLm: Model;
  let tokenizerFiles: TokenizerFiles;
  let missing: string | undefined;

  beforeAll(async () => {
    engine = await createOnnxEngine({ device: 'cpu' });
    const found = await miniLmFolder();
    if ('missing' in found) missing = found.missing;
    else ({ model: miniLm, tokenizerFiles } = await importHuggingFace(found.folder));
  });
  afterAll(() => engine.dispose());

  async function run(graph: Graph, model: Model, inputs: Readonly<Record<string, HostTensor>>, output: string): Promise<HostTensor> {
    const program = await engine.compile(graph);
    const available = { ...Object.fromEntries(modelInputs(model)), ...inputs };
    const results = await program.run(Object.fromEntries(Object.entries(available).filter(([name]) => program.inputNames.includes(name))));
    return results[output]!.read();
  }

  it('encodes as MiniLM does, and is stored once with its decoder', async (context) => {
    if (missing !== undefined) return context.skip(missing);
    const recipe = parseRecipe(
      { steps: [{ warmStart: { share: true, crossAttention: 'self', startToken: 101, endToken: 102 } }] },
      methods,
    );
    const { model } = await compressModel(miniLm, recipe, { engine }, quietContext);
    const { layers, width: D, heads: H } = miniLm.config;
    // The attention to the source with its norm, and the head, which a model of embeddings lacks.
    const added = layers * (4 * (D * D + D) + 2 * D) + D * D + D + 2 * D + miniLm.config.vocabularySize;
    expect(parameterCounts(model).stored).toBe(parameterCounts(miniLm).stored + added);
    expect([...storedTensors(model).keys()].filter((name) => name.startsWith('decoder.') && !name.includes('.cross.'))).toEqual([]);

    const encoder = new SentenceEncoder(tokenizerFromFiles(tokenizerFiles), 24);
    const texts = ['The bridge near the old house was closed.', 'Rivers rise in spring'].map((text) => encoder.encode(text));
    const S = Math.max(...texts.map(({ ids }) => ids.length));
    const { tokens, mask, tokenTypes } = padTexts(texts, S, 0);
    const b = new GraphBuilder();
    const inputs = encoderInputs(b, miniLm, { batch: 2, length: S });
    const net = encoderNetwork(b, miniLm, inputs);
    const last = layers - 1;
    const keys = b.reshape(net.linear(`h.${last}.attn.k`, net.hidden(inputs.tokens)), [2, S, H, D / H]);
    const graph = b.graph({ keys: b.transpose(keys, [0, 2, 1, 3]) });
    const wanted = await run(graph, miniLm, { tokens, mask, tokenTypes }, 'keys');
    const source = int64(tokens.shape, Array.from(tokens.data, Number));
    const sources = await run(
      buildEncodeGraph(model, { batch: 2, sourceLength: S }),
      model,
      { source, sourceMask: mask },
      `source.${last}.key`,
    );
    const [made, expected] = [toNumbers(sources), toNumbers(wanted)];
    expect(made.length).toBe(expected.length);
    const isPadding = (index: number): boolean => {
      const [place, text] = [Math.floor(index / (D / H)) % S, Math.floor(index / (S * D))];
      return mask.data[text * S + place] === 0;
    };
    let largest = 0;
    for (let index = 0; index < made.length; index++)
      if (!isPadding(index)) largest = Math.max(largest, Math.abs(made[index]! - expected[index]!));
    expect(largest).toBeLessThan(1e-4);
    expect(toNumbers(wanted).some((value) => Math.abs(value) > 1)).toBe(true);
  });
});
