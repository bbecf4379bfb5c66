// The table of parametrizations, and what follows from it for one parameter: its slots, its checks, its dense tensor.
import { AppError, invariant } from '#base';
import { type DType, type HostTensor, isFloat, printShape, sameShape } from '#tensor';
import { architectureOf } from './architectures.ts';
import { decodeSlot, encodedSlots, slotEncoding } from './encoded-slots.ts';
import type { Model, ModelDeclaration, Parameter, ParameterDeclaration, ParameterSpec } from './model.ts';
import { storedName } from './model.ts';
import type { Parametrization, SlotSpec } from './parametrization.ts';
import { adaptiveEmbedding } from './parametrizations/adaptive-embedding.ts';
import { dense } from './parametrizations/dense.ts';
import { kronecker } from './parametrizations/kronecker.ts';
import { lowRank } from './parametrizations/low-rank.ts';
import { shared } from './parametrizations/shared.ts';
import { sum } from './parametrizations/sum.ts';
import { checkSharing } from './sharing.ts';
import { decodeSparse, keptCount, sparsePieces, sparseSlots } from './sparse-slots.ts';

export const parametrizations = { dense, lowRank, kronecker, sum, adaptiveEmbedding, shared } satisfies Readonly<
  Record<string, Parametrization>
>;

export type ParametrizationKind = keyof typeof parametrizations;

function isKind(kind: string): kind is ParametrizationKind {
  return Object.hasOwn(parametrizations, kind);
}

/** @throws AppError `config_mismatch` for a kind that this version does not know */
export function parametrizationOf(parameter: { readonly path: string; readonly kind: string }): Parametrization {
  if (isKind(parameter.kind)) return parametrizations[parameter.kind];
  const known = Object.keys(parametrizations).join(', ');
  throw new AppError('config_mismatch', `${parameter.path}: unknown parametrization "${parameter.kind}"; known are ${known}.`);
}

/** The type that a stored tensor has in graphs: floats compute in float32, everything else is used as it is stored. */
export function graphType(dtype: DType): DType {
  return isFloat(dtype) ? 'float32' : dtype;
}

type StoredParameter = Pick<ParameterDeclaration, 'path' | 'kind' | 'settings'>;

/**
 * The tensors that graphs take of a parameter, by slot name: those of its parametrization, with the ones held in codes in pieces.
 *
 * @throws AppError `config_mismatch` | `rank_out_of_range`
 */
export function graphSlots(spec: ParameterSpec, parameter: StoredParameter): Readonly<Record<string, SlotSpec>> {
  return encodedSlots(parametrizationOf(parameter).slots(spec, parameter.settings), parameter);
}

/** The tensors that a parameter stores, by slot name: the same, with the sparse ones in pieces too. */
function storedSlots(spec: ParameterSpec, parameter: StoredParameter): Readonly<Record<string, SlotSpec>> {
  return sparseSlots(graphSlots(spec, parameter), parameter);
}

/**
 * Checks that the stored tensors are the ones that the parametrization needs for this spec.
 *
 * @throws AppError `config_mismatch` | `rank_out_of_range` naming the parameter, the slot and both shapes
 */
export function checkParameter(spec: ParameterSpec, parameter: ParameterDeclaration): void {
  const parametrization = parametrizationOf(parameter);
  const mismatch = (what: string): AppError => new AppError('config_mismatch', `${parameter.path} (${parameter.kind}): ${what}.`);
  if (!parametrization.roles.includes(spec.role))
    throw mismatch(`cannot store a ${spec.role} parameter, only ${parametrization.roles.join(', ')}`);
  const slots = storedSlots(spec, parameter);
  for (const [slot, expected] of Object.entries(slots)) {
    const tensor = parameter.tensors[slot];
    const name = storedName(parameter, slot);
    if (tensor === undefined) throw mismatch(`stored tensor "${name}" is missing`);
    if (!sameShape(tensor.shape, expected.shape))
      throw mismatch(`stored tensor "${name}" is ${printShape(tensor.shape)}, the config needs ${printShape(expected.shape)}`);
    if (expected.dtype === 'float' ? !isFloat(tensor.dtype) : tensor.dtype !== expected.dtype)
      throw mismatch(`stored tensor "${name}" is ${tensor.dtype}, needed is ${expected.dtype}`);
  }
  for (const slot of Object.keys(parameter.tensors))
    if (!Object.hasOwn(slots, slot)) throw mismatch(`has an unknown stored tensor "${slot}"`);
}

/**
 * Checks a whole model against its configuration: every parameter there, none too many, each of the right shape, shared ones with an owner.
 *
 * @throws AppError `config_mismatch` | `rank_out_of_range` | `shape_mismatch`
 */
export function checkModel(model: ModelDeclaration): void {
  const specs = parameterSpecs(model);
  for (const spec of specs.values()) {
    const parameter = model.parameters.get(spec.path);
    if (parameter === undefined)
      throw new AppError('config_mismatch', `${spec.path}: the config needs this parameter ${printShape(spec.shape)}, the model has none.`);
    checkParameter(spec, parameter);
  }
  for (const path of model.parameters.keys())
    if (!specs.has(path)) throw new AppError('config_mismatch', `${path}: the ${model.config.architecture} config has no such parameter.`);
  checkSharing(model, specs);
}

/** The specs of a model by path. */
export function parameterSpecs(model: Pick<ModelDeclaration, 'config'>): ReadonlyMap<string, ParameterSpec> {
  return new Map(
    architectureOf(model.config)
      .parameters(model.config)
      .map((spec) => [spec.path, spec]),
  );
}

/** Wraps a dense tensor as a parameter. */
export function denseParameter(path: string, value: HostTensor): Parameter {
  return { path, kind: 'dense', settings: {}, tensors: { value } };
}

/** The numbers of one slot of a parameter, decoded where it is held in codes or sparse. */
export function slotOnHost(spec: ParameterSpec, parameter: Parameter, name: string): HostTensor {
  const stored = (slot: string): HostTensor => {
    const tensor = parameter.tensors[slot];
    invariant(tensor !== undefined, `${parameter.path} has no stored tensor ${slot}`);
    return tensor;
  };
  const encoding = slotEncoding(parameter, name);
  const isSparse = keptCount(parameter, name) !== undefined;
  if (encoding === undefined && !isSparse) return stored(name);
  const slot = parametrizationOf(parameter).slots(spec, parameter.settings)[name];
  invariant(slot !== undefined, `${parameter.path} has no slot ${name}`);
  if (encoding !== undefined) return decodeSlot(name, slot, encoding, stored);
  const { mask, values } = sparsePieces(name);
  return decodeSparse(slot.shape, stored(mask), stored(values), storedName(parameter, name));
}

/** The dense float32 tensor that one parameter of a model stands for. */
export function materializeParameter(model: Model, path: string): HostTensor<'float32'> {
  const specs = parameterSpecs(model);
  const materialize = (wanted: string): HostTensor<'float32'> => {
    const parameter = model.parameters.get(wanted);
    const spec = specs.get(wanted);
    if (parameter === undefined || spec === undefined)
      throw new AppError('config_mismatch', `${wanted}: the ${model.config.architecture} model has no such parameter.`);
    const slot = (name: string): HostTensor => slotOnHost(spec, parameter, name);
    return parametrizationOf(parameter).materialize({ spec, settings: parameter.settings, slot, other: materialize });
  };
  return materialize(path);
}
