// Every distillation loss and its gradient against PyTorch's own functions and autograd.
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '#engine';
import { createOnnxEngine } from '#engine/onnx';
import { createReferenceEngine } from '#engine/reference';
import { GraphBuilder, gradients, type Value } from '#graph';
import type { AttentionValues } from '#models';
import { float32, toNumbers } from '#tensor';
import { expectAllClose } from '#test/allclose';
import { attentionLoss } from '../../src/distill/losses/attention-loss.ts';
import { divergenceRows, teachersAsOne } from '../../src/distill/losses/divergence.ts';
import { hiddenLoss } from '../../src/distill/losses/hidden-loss.ts';
import { gramLoss, miniLmLoss, miniLmV2Loss } from '../../src/distill/losses/relation-loss.ts';
import type { Sequences } from '../../src/distill/losses/text-means.ts';

interface Packed {
  readonly shape: readonly number[];
  readonly values: readonly number[];
}

interface LossCase {
  readonly name: string;
  readonly kind: 'logits' | 'hidden' | 'attention' | 'relation';
  readonly settings: Settings;
  /** Names of tensors that several cases may share. */
  readonly student: string;
  readonly teacher: string;
  readonly loss: number;
  readonly gradients: Readonly<Record<string, Packed>>;
}

interface Settings {
  readonly divergence?: 'forward' | 'reverse' | 'jsd';
  readonly beta?: number;
  readonly scaled?: boolean;
  readonly temperature?: number;
  readonly average?: 'probabilities' | 'logits';
  readonly weights?: readonly number[];
  readonly distance?: 'mse' | 'cosine' | 'pkd' | 'kl';
  readonly padded?: boolean;
  readonly tokens?: 'all' | 'first';
  readonly of?: 'scores' | 'probabilities' | 'minilm' | 'minilmv2' | 'gram';
  readonly over?: 'tokens' | 'batch';
  readonly heads?: number;
  readonly hides?: 'causal' | 'padded';
}

const { sides, cases } = JSON.parse(readFileSync(new URL('data/distill-losses.json', import.meta.url), 'utf8')) as {
  readonly sides: Readonly<Record<string, Readonly<Record<string, Packed>>>>;
  readonly cases: readonly LossCase[];
};
const [B, T] = [2, 4];
/** As in the script: the last two tokens of the second text are padding. */
const counted = [1, 1, 1, 1, 1, 1, 0, 0];

/** One side of a case as values of the graph. */
type Side = (name: string) => Value;

function sequences(b: GraphBuilder, isPadded: boolean): Sequences {
  return { batch: [B, T], counts: isPadded ? b.constant(float32([B, T], counted)) : undefined };
}

function rowsOf(b: GraphBuilder, side: Side): Value {
  const x = side('x'); // [B, T, D]
  return b.reshape(x, [B * T, x.shape[2]!]);
}

/** What the network would have told: scores of grouped heads, and what is hidden from them. */
function attentionValues(b: GraphBuilder, side: Side, hides: Settings['hides']): AttentionValues {
  const [q, k, v] = [side('q'), side('k'), side('v')];
  const [H, G, K] = [Number(q.shape[2]), Number(k.shape[2]), Number(q.shape[3])];
  const queries = b.reshape(b.transpose(q, [0, 2, 1, 3]), [B, G, (H / G) * T, K]);
  const products = b.matmul(queries, b.transpose(k, [0, 2, 1, 3]), { transposeB: true, scale: 1 / Math.sqrt(K) });
  const scores = b.reshape(products, [B, H, T, T]);
  const triangle = Array.from({ length: T * T }, (_, index) => (index % T > Math.floor(index / T) ? -1e30 : 0));
  const padding = counted.map((count) => (count > 0 ? 0 : -1e30));
  const hiding = b.constant(hides === 'causal' ? float32([T, T], triangle) : float32([B, 1, 1, T], padding));
  return { q, k, v, scores, hiding, probabilities: b.softmax(b.add(scores, hiding)) };
}

function lossOf(b: GraphBuilder, { kind, settings }: LossCase, student: Side, teacher: Side): Value {
  const {
    temperature = 1,
    average = 'probabilities',
    weights,
    hides,
    padded = hides === 'padded',
    of,
    heads = 1,
    over = 'tokens',
  } = settings;
  if (kind === 'logits') {
    const { divergence = 'forward', beta = 0.5, scaled = false } = settings;
    const teachers = weights === undefined ? [teacher('x')] : [teacher('x'), teacher('y')];
    const taught = teachersAsOne(b, teachers, weights ?? [1], { temperature, average });
    const own = b.logSoftmax(b.mul(student('x'), 1 / temperature));
    return b.mul(b.reduceMean(divergenceRows(b, taught, own, { divergence, beta, scaled }), [0]), temperature ** 2);
  }
  const batch = sequences(b, padded);
  if (kind === 'hidden') {
    const { distance, tokens = 'all' } = settings;
    expect(distance).not.toBe('kl');
    const rows = rowsOf(b, student);
    const own = Number(rows.shape[1]) === 8 ? rows : b.matmul(rows, student('projection'));
    return hiddenLoss(b, own, rowsOf(b, teacher), batch, { distance: distance as 'mse' | 'cosine' | 'pkd', tokens });
  }
  if (of === 'gram') return gramLoss(b, rowsOf(b, student), rowsOf(b, teacher), batch, { over });
  const [s, t] = [attentionValues(b, student, hides), attentionValues(b, teacher, hides)];
  if (of === 'minilm') return miniLmLoss(b, s, t, batch);
  if (of === 'minilmv2') return miniLmV2Loss(b, s, t, batch, { heads });
  return attentionLoss(b, s, t, batch, { of: of as 'scores' | 'probabilities', distance: settings.distance as 'mse' | 'kl' });
}

const engines: readonly (readonly [string, () => Engine | Promise<Engine>])[] = [
  ['reference', () => createReferenceEngine()],
  ['onnx', () => createOnnxEngine({ device: 'cpu', threads: 1 })],
];

describe.each(engines)('losses on the %s engine', (_, create) => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await create();
  });
  afterAll(() => engine.dispose());

  it.each(cases.map((golden) => [golden.name, golden] as const))('%s has the value and the gradient of PyTorch', async (_name, golden) => {
    const b = new GraphBuilder();
    const inputs: Record<string, ReturnType<typeof float32>> = {};
    const sideOf =
      (who: 'student' | 'teacher', made: Map<string, Value>): Side =>
      (name) => {
        const packed = sides[golden[who]]![name]!;
        const value = made.get(name) ?? b.input(`${who}.${name}`, 'float32', packed.shape);
        made.set(name, value);
        inputs[`${who}.${name}`] = float32(packed.shape, packed.values);
        return value;
      };
    const ours = new Map<string, Value>();
    const loss = lossOf(b, golden, sideOf('student', ours), sideOf('teacher', new Map()));
    const names = [...ours.keys()];
    const derivatives = gradients(b, loss, [...ours.values()]);
    const program = await engine.compile(b.graph({ loss, ...Object.fromEntries(names.map((name, index) => [name, derivatives[index]!])) }));
    const results = await program.run(Object.fromEntries(program.inputNames.map((name) => [name, inputs[name]!])));
    expectAllClose(toNumbers(results['loss']!.read()), [golden.loss], { relative: 2e-5, absolute: 1e-7, what: 'loss' });
    for (const name of names)
      expectAllClose(toNumbers(results[name]!.read()), golden.gradients[name]!.values, { relative: 2e-4, absolute: 2e-6, what: name });
    const scale = Math.max(...Object.values(golden.gradients).flatMap(({ values }) => values.map(Math.abs)));
    expect(scale).toBeGreaterThan(1e-4);
    for (const buffer of Object.values(results)) buffer.release();
    await program.release();
  });
});
