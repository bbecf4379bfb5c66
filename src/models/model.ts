// A model: an architecture's configuration and named parameters, each stored in some parametrization.
import { AppError } from '#base';
import type { DType, HostTensor } from '#tensor';
import type { ModelConfig } from './config.ts';

/**
 * How the architecture uses a parameter:
 * `linear` y = x·W with W [in, out]; `embedding` a table [V, D] that is looked up and may also be the head (y = x·Wᵀ); `vector` [D] gains and biases.
 */
export type ParameterRole = 'linear' | 'embedding' | 'vector';

/** One logical parameter that an architecture needs. */
export interface ParameterSpec {
  /** For example `h.3.attn.qkv.weight`. */
  readonly path: string;
  readonly role: ParameterRole;
  /** Of the dense tensor it stands for. */
  readonly shape: readonly number[];
  /** Index of the transformer block it belongs to; absent outside the blocks. */
  readonly block?: number;
  /** What a new model fills it with, where that is not what its role and name say. */
  readonly initial?: number;
}

/** Settings that are not tensors, plain JSON: those of the parametrization, `{ "rank": 64 }`, and of slots in codes, `{ "left.bits": 4 }`. */
export type ParameterSettings = Readonly<Record<string, number | string | boolean>>;

/** What is known of a stored tensor without its data. */
export interface TensorDeclaration {
  readonly dtype: DType;
  readonly shape: readonly number[];
}

/** How one logical parameter is stored, without the data: all that graphs are built from. */
export interface ParameterDeclaration {
  readonly path: string;
  /** A key of the table of parametrizations: `dense`, `lowRank`, … */
  readonly kind: string;
  readonly settings: ParameterSettings;
  /** Slot name -> tensor; dense has the one slot `value`. A slot in codes is several: `value.codes`, `value.scales`, … */
  readonly tensors: Readonly<Record<string, TensorDeclaration>>;
}

/** One logical parameter as it is stored. Floats may be 16 bit on the host; graphs compute in float32 (`modelInputs`). */
export interface Parameter extends ParameterDeclaration {
  readonly tensors: Readonly<Record<string, HostTensor>>;
}

/** A model without its data. Every `Model` is one, so graph builders take either. */
export interface ModelDeclaration {
  readonly config: ModelConfig;
  /** By path, in the architecture's order. */
  readonly parameters: ReadonlyMap<string, ParameterDeclaration>;
}

/** An immutable model. Changing a parameter makes a new model that shares the others. */
export interface Model extends ModelDeclaration {
  readonly parameters: ReadonlyMap<string, Parameter>;
}

/** A model without its data, for whoever must not keep the weights in memory. */
export function declarations(model: ModelDeclaration): ModelDeclaration {
  const parameters = [...model.parameters.values()].map(({ path, kind, settings, tensors }): [string, ParameterDeclaration] => {
    const slots = Object.entries(tensors).map(([slot, { dtype, shape }]) => [slot, { dtype, shape }] as const);
    return [path, { path, kind, settings, tensors: Object.fromEntries(slots) }];
  });
  return { config: model.config, parameters: new Map(parameters) };
}

/**
 * The same model with some parameters stored differently or holding other values.
 *
 * @throws AppError `config_mismatch` when the model has no parameter of that path
 */
export function replaceParameters(model: Model, replacements: Iterable<Parameter>): Model {
  const parameters = new Map(model.parameters);
  for (const replacement of replacements) {
    if (!parameters.has(replacement.path))
      throw new AppError(
        'config_mismatch',
        `${replacement.path}: the ${model.config.architecture} model has no such parameter to replace.`,
      );
    parameters.set(replacement.path, replacement);
  }
  return { config: model.config, parameters };
}

/** Name of a stored tensor in graphs, checkpoints and files: `path.slot`, and without the one slot `value` of dense parameters. */
export function storedName(parameter: { readonly path: string; readonly kind: string }, slot: string): string {
  return parameter.kind === 'dense' ? `${parameter.path}${slot.slice('value'.length)}` : `${parameter.path}.${slot}`;
}

/** All stored tensors by stored name. Sharing is a parametrization of its own, so that no tensor has two names. */
export function storedTensors(model: Model): Map<string, HostTensor> {
  const tensors = new Map<string, HostTensor>();
  for (const parameter of model.parameters.values())
    for (const [slot, tensor] of Object.entries(parameter.tensors)) tensors.set(storedName(parameter, slot), tensor);
  return tensors;
}
