// The graphs of language models: logits, scores and cached steps, on both engines.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '#engine';
import { createOnnxEngine } from '#engine/onnx';
import { createReferenceEngine } from '#engine/reference';
import { type Graph, GraphBuilder } from '#graph';
import {
  buildDecodeGraph,
  buildLogitsGraph,
  buildScoreGraph,
  cacheTensors,
  causalNetwork,
  declarations,
  type Gpt2Config,
  GraphNetwork,
  inPieces,
  type LlamaConfig,
  type Model,
  storedTensors,
} from '#models';
import { float32, type HostTensor, hostTensor, int32, int64, toNumbers } from '#tensor';
import { largestDifference, rowOf, runGraph, tinyGpt2, tinyLlama, tinyModel, tokenRows } from './tiny-models.ts';

const rows = [
  [3, 1, 4, 1, 5, 9],
  [2, 6, 5, 3, 5, 8],
] as const;

const configs: readonly (readonly [string, Gpt2Config | LlamaConfig])[] = [
  ['gpt2', tinyGpt2],
  ['llama', tinyLlama],
  ['llama with a window in one layer', { ...tinyLlama, slidingWindow: { size: 3, layers: [true, false] }, slidingRotaryBase: 50 }],
  [
    'llama with norms and bounds everywhere',
    {
      ...tinyLlama,
      tiedHead: true,
      queryKeyNorm: true,
      normsBehind: true,
      gainsLessOne: true,
      scaledEmbedding: true,
      queryScalar: 3,
      attentionSoftCap: 0.7,
      logitSoftCap: 1.5,
      slidingWindow: { size: 2, layers: [true, true] },
    },
  ],
  ['llama with dynamic scaling', { ...tinyLlama, rotaryScaling: { kind: 'dynamic', factor: 3, originalMaxPositions: 20 } }],
];

const engines: readonly (readonly [string, () => Engine | Promise<Engine>])[] = [
  ['reference', () => createReferenceEngine()],
  ['onnx', () => createOnnxEngine({ device: 'cpu' })],
];

function emptyCaches(model: Model, batch: number, room: number): Record<string, HostTensor> {
  return Object.fromEntries(cacheTensors(model, batch, room).map(({ input, shape }) => [input, hostTensor('float32', shape)]));
}

function cachesFrom(model: Model, results: Readonly<Record<string, HostTensor>>): Record<string, HostTensor> {
  return Object.fromEntries(cacheTensors(model, 2, 8).map(({ input, output }) => [input, results[output]!]));
}

describe.each(engines.flatMap(([engine, create]) => configs.map(([name, config]) => [name, engine, config, create] as const)))(
  'graphs of %s on the %s engine',
  (_name, _engine, config, create) => {
    let engine: Engine;
    beforeAll(async () => {
      engine = await create();
    });
    afterAll(() => engine.dispose());

    const run = (graph: Graph, owner: Model, inputs: Readonly<Record<string, HostTensor>>): Promise<Record<string, HostTensor>> =>
      runGraph(graph, owner, inputs, engine);

    async function logitsOf(owner: Model, tokens: HostTensor): Promise<HostTensor> {
      const [batch = 0, length = 0] = tokens.shape;
      return (await run(buildLogitsGraph(owner, { batch, length }), owner, { tokens }))['logits']!;
    }

    const model = tinyModel(config);
    const tokens = tokenRows(rows);

    it('have no look into the future', async () => {
      const changed = tokenRows(rows.map((row) => [...row.slice(0, 4), 0, 0]));
      const [before, after] = [await logitsOf(model, tokens), await logitsOf(model, changed)];
      for (let position = 0; position < 4; position++) expect(rowOf(after, position)).toEqual(rowOf(before, position));
      expect(rowOf(after, 4)).not.toEqual(rowOf(before, 4));
    });

    it('are the same with symbols for the sizes', async () => {
      const symbolic = buildLogitsGraph(model, { batch: 'B', length: 'T' });
      const results = await run(symbolic, model, { tokens });
      expect(largestDifference(toNumbers(results['logits']!), toNumbers(await logitsOf(model, tokens)))).toBeLessThan(1e-6);
    });

    it('do not see left padding', async () => {
      const graph = buildLogitsGraph(model, { batch: 2, length: 6 }, { leftPadded: true });
      const padded = tokenRows([[7, 7, ...rows[0].slice(0, 4)], [...rows[1]]]);
      const mask = hostTensor('bool', [2, 6], Uint8Array.of(0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1));
      const positions = tokenRows([
        [0, 0, 0, 1, 2, 3],
        [0, 1, 2, 3, 4, 5],
      ]);
      const logits = (await run(graph, model, { tokens: padded, mask, positions }))['logits']!;
      const wanted = await logitsOf(model, tokens);
      for (let position = 0; position < 4; position++)
        expect(largestDifference(rowOf(logits, position + 2), rowOf(wanted, position))).toBeLessThan(1e-5);
      for (let position = 6; position < 12; position++)
        expect(largestDifference(rowOf(logits, position), rowOf(wanted, position))).toBeLessThan(1e-5);
    });

    it('score tokens as the logits do', async () => {
      const labels = tokenRows(rows.map((row) => [...row.slice(1), 0]));
      const scores = await run(buildScoreGraph(model, { batch: 2, length: 6 }), model, { tokens, labels });
      const logits = await logitsOf(model, tokens);
      const wanted = Number(labels.data[3]);
      const row = rowOf(logits, 3);
      const logSum = Math.log(row.reduce((sum, logit) => sum + Math.exp(logit), 0));
      expect(scores['negativeLogLikelihood']!.shape).toEqual([2, 6]);
      expect(toNumbers(scores['negativeLogLikelihood']!)[3]).toBeCloseTo(logSum - row[wanted]!, 5);
      expect(toNumbers(scores['topToken']!)[3]).toBe(row.indexOf(Math.max(...row)));
    });

    it('decode with a cache as without one, prompt first and then token by token', async () => {
      const wanted = await logitsOf(model, tokens);
      const prefill = await run(buildDecodeGraph(model, { batch: 2, length: 4, room: 8, logits: 'all' }), model, {
        tokens: tokenRows(rows.map((row) => row.slice(0, 4))),
        positions: tokenRows(rows.map(() => [0, 1, 2, 3])),
        lastIndex: int32([2], [3, 3]),
        totalLength: int32([1], [4]),
        ...emptyCaches(model, 2, 8),
      });
      expect(prefill['logits']!.shape).toEqual([2, 4, config.vocabularySize]);
      expect(largestDifference(rowOf(prefill['logits']!, 7), rowOf(wanted, 9))).toBeLessThan(1e-5);

      const step = buildDecodeGraph(model, { batch: 'B', length: 1, room: 8 });
      let caches = cachesFrom(model, prefill);
      for (const position of [4, 5]) {
        const results = await run(step, model, {
          tokens: tokenRows(rows.map((row) => [row[position]!])),
          positions: tokenRows(rows.map(() => [position])),
          lastIndex: int32([2], [position, position]),
          totalLength: int32([1], [position + 1]),
          ...caches,
        });
        expect(results['logits']!.shape).toEqual([2, config.vocabularySize]);
        for (const sequence of [0, 1])
          expect(largestDifference(rowOf(results['logits']!, sequence), rowOf(wanted, sequence * 6 + position))).toBeLessThan(1e-5);
        caches = cachesFrom(model, results);
      }
    });

    it('answer the logits of chosen rows, for prompts of unequal lengths', async () => {
      const graph = buildDecodeGraph(model, { batch: 2, length: 'T', room: 8, logits: 'rows' });
      const results = await run(graph, model, {
        tokens,
        positions: tokenRows(rows.map(() => [0, 1, 2, 3, 4, 5])),
        lastIndex: int32([2], [2, 5]),
        totalLength: int32([1], [6]),
        logitRows: int64([2], [2, 11]),
        ...emptyCaches(model, 2, 8),
      });
      const wanted = await logitsOf(model, tokens);
      expect(largestDifference(rowOf(results['logits']!, 0), rowOf(wanted, 2))).toBeLessThan(1e-5);
      expect(largestDifference(rowOf(results['logits']!, 1), rowOf(wanted, 11))).toBeLessThan(1e-5);
    });

    it('answer the last column of a prompt by default', async () => {
      const graph = buildDecodeGraph(model, { batch: 2, length: 'T', room: 'S' });
      const results = await run(graph, model, {
        tokens,
        positions: tokenRows(rows.map(() => [0, 1, 2, 3, 4, 5])),
        lastIndex: int32([2], [5, 5]),
        totalLength: int32([1], [6]),
        ...emptyCaches(model, 2, 8),
      });
      const wanted = await logitsOf(model, tokens);
      expect(largestDifference(rowOf(results['logits']!, 1), rowOf(wanted, 11))).toBeLessThan(1e-5);
    });

    it('take every stored tensor as one input, and build from declarations alone', () => {
      const graph = buildLogitsGraph(declarations(model), { batch: 1, length: 3 });
      const names = graph.inputs.map(({ name }) => name);
      expect(new Set(names)).toEqual(new Set(['tokens', ...storedTensors(model).keys()]));
      expect(names).toHaveLength(new Set(names).size);
    });
  },
);

describe('GraphNetwork', () => {
  it('lets two models stand in one graph, and shows intermediate values', () => {
    const b = new GraphBuilder();
    const tokens = b.input('tokens', 'int64', [2, 5]);
    const student = causalNetwork(b, tinyModel(tinyGpt2), tokens);
    const teacher = causalNetwork(b, tinyModel(tinyGpt2, 2), tokens, { prefix: 'teacher/' });
    student.hidden(tokens);
    teacher.hidden(tokens);
    expect([...teacher.parameterInputs.keys()]).toEqual([...student.parameterInputs.keys()]);
    expect(student.taps.get('h.1')?.shape).toEqual([10, 6]);
    expect(student.linearInputs.get('h.1.mlp.proj.weight')?.[0]?.shape).toEqual([10, 10]);
    expect(b.graph({ x: teacher.hidden(tokens) }).inputs.map(({ name }) => name)).toContain('teacher/h.0.ln1.weight');
  });

  it('refuses more tokens than the model has positions', () => {
    const model = tinyModel(tinyGpt2);
    expect(() => buildLogitsGraph(model, { batch: 1, length: 13 })).toThrow(/context_too_long.*13.*12/);
    expect(() => buildDecodeGraph(model, { batch: 1, length: 1, room: 13 })).toThrow(/context_too_long/);
  });

  it('names a parameter that the model does not have', () => {
    const b = new GraphBuilder();
    const net = new GraphNetwork(b, tinyModel(tinyGpt2), { positions: b.range(3), attention: { kind: 'causal' } });
    expect(() => net.weight('h.7.mlp.fc.weight')).toThrow(/config_mismatch.*h\.7\.mlp\.fc\.weight/);
  });
});

describe('inPieces', () => {
  it('cuts rows so that a piece of logits stays small, and loses none', () => {
    const b = new GraphBuilder();
    const pieces = inPieces(
      b,
      b.constant(float32([700, 1], new Float32Array(700))),
      b.constant(int64([700], new Float32Array(700))),
      1 << 16,
    );
    expect(pieces.map(([hidden]) => hidden.shape[0])).toEqual([128, 128, 128, 128, 128, 60]);
    expect(pieces.map(([, labels]) => labels.shape[0])).toEqual([128, 128, 128, 128, 128, 60]);
    const symbolic = b.input('h', 'float32', ['N', 1]);
    expect(inPieces(b, symbolic, b.input('l', 'int64', ['N']), 1 << 16)).toHaveLength(1);
  });
});
