// Loss, figures and gradients of a distillation on one batch, on the reference engine.

import { expect } from 'vitest';
import { chosen } from '#base';
import { distillationObjective, type ObjectiveRequest } from '#distill';
import type { DeviceBuffer } from '#engine';
import { createReferenceEngine } from '#engine/reference';
import { gradientName } from '#graph';
import { allInputs, declarations, type Model, modelInputs } from '#models';
import { type LossFields, lossFields } from '#teaching';
import { type HostTensor, toNumbers } from '#tensor';
import { buildGradientGraph, schemeName } from '#train';

/** Losses as a recipe writes them, with their defaults. */
export function lossesOf(...written: readonly object[]): NonNullable<LossFields['losses']> {
  return lossFields.losses.parse(written)!;
}

export interface MeasuredLosses {
  readonly loss: number;
  readonly metrics: Readonly<Record<string, number>>;
  readonly gradients: Readonly<Record<string, Float64Array>>;
}

export interface LossBatch {
  readonly tensors: Readonly<Record<string, HostTensor>>;
  readonly batch: number;
  readonly length: number;
  readonly sourceLength?: number;
  /** Tokens that are hidden in a batch. */
  readonly hidden?: number;
}

/** Step 1 of a training of `student`, as the objective's own scheme has it. */
export async function measureLosses(
  student: Model,
  teachers: Model | ObjectiveRequest['teachers'],
  losses: readonly object[],
  { tensors, batch, length, sourceLength, hidden }: LossBatch,
  options: Partial<Pick<ObjectiveRequest, 'average' | 'balanceEvery' | 'samples'>> = {},
): Promise<MeasuredLosses> {
  const engine = createReferenceEngine();
  const objective = distillationObjective(engine, {
    student,
    teachers: 'config' in teachers ? [{ model: teachers, weight: 1 }] : teachers,
    losses: lossesOf(...losses),
    batch,
    ...(hidden === undefined ? {} : { hiddenTokens: () => hidden }),
    ...options,
  });
  const { scheme } = objective;
  const { inputs = {}, variant = '' } = scheme?.step?.(1) ?? {};
  const own = [...(scheme?.tensors ?? [])];
  const trained = [
    ...allInputs(student).flatMap(({ input }) => (input.trains ? [input.name] : [])),
    ...own.map(({ name }) => schemeName(name)),
  ];
  const sizes = { batch, length, sourceLength, trained, accumulates: false, scheme, variant };
  const { graph, metricNames } = buildGradientGraph(declarations(student), objective, sizes);
  const program = await engine.compile(graph);
  const available: Record<string, DeviceBuffer | HostTensor> = {
    ...Object.fromEntries(modelInputs(student)),
    ...objective.inputs,
    ...tensors,
    ...Object.fromEntries(
      [...own.map(({ name, initial }) => [name, initial] as const), ...Object.entries(inputs)].map(([name, value]) => [
        schemeName(name),
        value,
      ]),
    ),
  };
  const results = await program.run(chosen(available, program.inputNames));
  const numbers = Object.fromEntries(Object.entries(results).map(([name, buffer]) => [name, Float64Array.from(toNumbers(buffer.read()))]));
  for (const buffer of Object.values(results)) buffer.release();
  await program.release();
  objective.release();
  expect(engine.counters()).toMatchObject({ buffers: 0, programs: 0 });
  const gradients = Object.fromEntries(
    trained.flatMap((name) => (gradientName(name) in numbers ? [[name, numbers[gradientName(name)]!]] : [])),
  );
  const metrics = Object.fromEntries(metricNames.map((name) => [name, numbers[name]![0]!]));
  return { loss: metrics['loss']!, metrics, gradients };
}

export function largest(gradients: MeasuredLosses['gradients']): number {
  return Math.max(...Object.values(gradients).flatMap((values) => Array.from(values, Math.abs)));
}
