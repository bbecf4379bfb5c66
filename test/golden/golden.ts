// Reads the golden numbers in data/ and compares tensors with them.
import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import type { Model, ModelConfig } from '#models';
import { denseParameter } from '#models';
import { float32, type HostTensor, int64, toNumbers } from '#tensor';
import { expectAllClose } from '#test/allclose';

export interface PackedTensor {
  readonly shape: readonly number[];
  /** Base64 of little-endian float32. */
  readonly float32: string;
}

export interface SmallCase {
  readonly name: string;
  readonly config: ModelConfig;
  readonly parameters: Readonly<Record<string, PackedTensor>>;
  readonly tokens: readonly (readonly number[])[];
  readonly logits: PackedTensor;
}

export interface OptimizerSettings {
  readonly learningRate: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  /** Of matrices and tables; vectors are not decayed. */
  readonly weightDecay: number;
  readonly clipNorm: number;
}

export interface TrainingCase extends SmallCase {
  readonly labels: readonly (readonly number[])[];
  readonly loss: number;
  readonly gradients: Readonly<Record<string, PackedTensor>>;
  readonly optimizer: OptimizerSettings;
  readonly steps: readonly {
    readonly tokens: readonly (readonly number[])[];
    readonly labels: readonly (readonly number[])[];
    readonly loss: number;
    readonly gradientNorm: number;
  }[];
  readonly parametersAfter: Readonly<Record<string, PackedTensor>>;
}

export interface RealCase {
  readonly model: string;
  readonly prompts: readonly {
    readonly prompt: string;
    readonly tokens: readonly number[];
    /** The ids whose logits are listed at every position; all when absent. */
    readonly ids?: readonly number[];
    readonly logits: PackedTensor;
    /** All logits of the last position, where `logits` is a part. */
    readonly lastLogits?: PackedTensor;
    readonly topIds: readonly number[];
    readonly greedy: readonly number[];
    readonly greedyText: string;
  }[];
}

export const smallCaseNames = [
  'gpt2-tied',
  'gpt2-untied-odd',
  'gpt2-relu-one-head',
  'gpt2-silu',
  'llama-grouped',
  'llama-linear-multi-query',
  'llama-dynamic',
  'llama-dynamic-short',
  'llama-llama3',
  'llama-yarn-biases',
  'llama-yarn-factor',
] as const;

export const trainingCaseNames = ['gpt2-tied', 'llama-grouped'] as const;

function read(name: string): unknown {
  return JSON.parse(readFileSync(new URL(`data/${name}.json`, import.meta.url), 'utf8'));
}

export function smallCase(name: (typeof smallCaseNames)[number]): SmallCase {
  return read(name) as SmallCase;
}

export function trainingCase(name: (typeof trainingCaseNames)[number]): TrainingCase {
  return read(name) as TrainingCase;
}

export function realCase(name: 'wiki-gpt2-7m' | 'stories260K'): RealCase {
  return read(name) as RealCase;
}

export function unpack({ shape, float32: text }: PackedTensor): HostTensor<'float32'> {
  const bytes = Uint8Array.from(Buffer.from(text, 'base64'));
  return float32(shape, new Float32Array(bytes.buffer));
}

export function modelOf(golden: SmallCase): Model {
  const parameters = Object.entries(golden.parameters).map(([path, tensor]) => [path, denseParameter(path, unpack(tensor))] as const);
  return { config: golden.config, parameters: new Map(parameters) };
}

export function ids(rows: readonly (readonly number[])[]): HostTensor<'int64'> {
  return int64([rows.length, rows[0]!.length], rows.flat());
}

/** Expects every element within `absolute` + `relative`·(largest element of the wanted tensor). */
export function expectClose(
  actual: HostTensor,
  wanted: HostTensor,
  { absolute = 0, relative = 0 }: { absolute?: number; relative?: number },
  what: string,
): void {
  expect(actual.shape, `${what}: shape`).toEqual(wanted.shape);
  const expected = Array.from(toNumbers(wanted));
  const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  expectAllClose(toNumbers(actual), expected, { absolute: absolute + relative * largest, what });
}
