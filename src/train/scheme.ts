// What a method changes about training: how the student computes, what else trains, and what moves from step to step.
import { at, invariant } from '#base';
import type { DeviceBuffer } from '#engine';
import type { Value } from '#graph';
import type { NetworkChanges } from '#models';
import type { HostTensor } from '#tensor';
import type { ObjectiveContext, ObjectiveGraph, SchemeInGraph } from './objective-graph.ts';

/** A tensor that trains beside the student's own: gates, adapters, projections, multipliers. */
export interface SchemeTensor {
  readonly name: string;
  readonly initial: HostTensor<'float32'>;
  /** The schedule's learning rate is multiplied by this. @default 1 */
  readonly learningRateFactor?: number;
  /** Goes up its gradient, as the multipliers of a Lagrangian do. */
  readonly ascends?: boolean;
  /** Takes the optimizer's weight decay. @default false */
  readonly decays?: boolean;
}

/** What the host sets before a step. */
export interface SchemeStep {
  /** Values of the step's inputs, by name; the same names, types and shapes in every step of a variant. */
  readonly inputs: Readonly<Record<string, HostTensor>>;
  /** Which graph runs: one program a variant is compiled, when it first comes. @default '' */
  readonly variant?: string;
}

/**
 * One way to train: gates that close, modules that are replaced, weights that are rounded on the way.
 *
 * Everything random in it follows from its seed and the number of the step, so that a run that goes on from a checkpoint draws the same; what else it
 * remembers between steps goes through `save` and `restore`. The trainer owns the tensors and checkpoints them.
 */
export interface TrainingScheme {
  readonly name: string;
  readonly tensors?: readonly SchemeTensor[];
  /** Device buffers that its graphs read under their full names, for example the weights of another model; they belong to its maker. */
  readonly buffers?: Readonly<Record<string, DeviceBuffer>>;
  /** Variants whose graphs together read every tensor that trains. @default [''] */
  readonly widestVariants?: readonly string[];
  /** What the student's network computes otherwise. */
  network?(scheme: SchemeInGraph): NetworkChanges;
  /** Adds to the loss and the reported figures. */
  loss?(context: ObjectiveContext, objective: ObjectiveGraph, scheme: SchemeInGraph): ObjectiveGraph;
  /** @param step - counts from 1; all micro-batches of a step share what it answers */
  step?(step: number): SchemeStep;
  /** After the update of a step: the metrics that it reported. `tensors` reads the scheme's tensors from the device. */
  observe?(step: number, metrics: Readonly<Record<string, number>>, tensors: (name: string) => HostTensor<'float32'>): void;
  /** Plain JSON that `restore` takes back. */
  save?(): unknown;
  restore?(saved: unknown): void;
}

/** Name of a scheme's tensor or input among those of a graph. */
export const schemeName = (name: string): string => `scheme:${name}`;

/** Several schemes as one; each sees what the earlier ones made of the network and the loss. */
export function combineSchemes(schemes: readonly TrainingScheme[]): TrainingScheme | undefined {
  const [first] = schemes;
  if (first === undefined || schemes.length === 1) return first;
  const tensors = schemes.flatMap((scheme) => scheme.tensors ?? []);
  invariant(new Set(tensors.map(({ name }) => name)).size === tensors.length, 'schemes name their tensors differently');
  const variantsOf = (variant: string): string[] => (variant === '' ? schemes.map(() => '') : variant.split(separator));
  const joined = (variants: readonly string[]): string => (variants.every((variant) => variant === '') ? '' : variants.join(separator));
  const each = (scheme: SchemeInGraph): (readonly [TrainingScheme, SchemeInGraph])[] => {
    const variants = variantsOf(scheme.variant);
    return schemes.map((one, index) => [one, { ...scheme, variant: at(variants, index) }]);
  };
  const widest = schemes.map((scheme) => scheme.widestVariants ?? ['']);
  const most = Math.max(...widest.map((variants) => variants.length));
  return {
    name: schemes.map(({ name }) => name).join('+'),
    tensors,
    buffers: Object.assign({}, ...schemes.map(({ buffers }) => buffers ?? {})) as Record<string, DeviceBuffer>,
    widestVariants: Array.from({ length: most }, (_, index) =>
      joined(widest.map((variants) => at(variants, Math.min(index, variants.length - 1)))),
    ),
    network: (scheme) => each(scheme).reduce<NetworkChanges>((changes, [one, own]) => stack(changes, one.network?.(own) ?? {}), {}),
    loss: (context, objective, scheme) => each(scheme).reduce((sum, [one, own]) => one.loss?.(context, sum, own) ?? sum, objective),
    step: (step) => {
      const made = schemes.map((scheme) => scheme.step?.(step) ?? { inputs: {} });
      return {
        inputs: Object.assign({}, ...made.map(({ inputs }) => inputs)) as Record<string, HostTensor>,
        variant: joined(made.map(({ variant = '' }) => variant)),
      };
    },
    observe: (...report) => {
      for (const scheme of schemes) scheme.observe?.(...report);
    },
    save: () => schemes.map((scheme) => scheme.save?.() ?? null),
    restore: (saved) => {
      for (const [index, part] of (saved as readonly unknown[]).entries()) if (part !== null) at(schemes, index).restore?.(part);
    },
  };
}

const separator = '\n';

/** What `outer` makes of a network that `inner` has changed. */
function stack(inner: NetworkChanges, outer: NetworkChanges): NetworkChanges {
  const runBlocks = outer.runBlocks ?? inner.runBlocks;
  return {
    stored: (name, value, parameter) => {
      const changed = inner.stored?.(name, value, parameter) ?? value;
      return outer.stored?.(name, changed, parameter) ?? changed;
    },
    linear: (path, x, plain) => {
      const changed = (input: Value): Value => inner.linear?.(path, input, plain) ?? plain(input);
      return outer.linear?.(path, x, changed) ?? changed(x);
    },
    tapped: (name, value) => {
      const changed = inner.tapped?.(name, value) ?? value;
      return outer.tapped?.(name, changed) ?? changed;
    },
    ...(runBlocks && { runBlocks }),
  };
}
