// The table of parametrizations, and what follows from it for one parameter: its slots, its checks, its dense tensor.
import { AppError, invariant } from '#base';
import { type DType, type HostTensor, isFloat, printShape, sameShape } from '#tensor';
import { architectureOf } from './architectures.ts';
import { decodeSlot, encodedSlots, slotEncoding } from './encoded-slots.ts';
import type { Model, ModelDeclaration, Parameter, ParameterDeclaration, ParameterSpec } from './model.ts';
import { storedName } from './model.ts';
import type { Parametrization, SlotSpec } from './parametrization.ts';
import { dense } from './parametrizations/dense.ts';
import { kronecker } from './parametrizations/kronecker.ts';
import { lowRank } from './parametrizations/low-rank.ts';
import { shared } from './parametrizations/shared.ts';
import { checkSharing } from './sharing.ts';

export const parametrizations = { dense, lowRank, kronecker, shared } satisfies Readonly<Record<string, Parametrization>>;

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

/**
 * The tensors that a parameter stores, by slot name: those of its parametrization, with the ones held in codes in pieces.
 *
 * @throws AppError `config_mismatch` | `rank_out_of_range`
 */
function storedSlots(
  spec: ParameterSpec,
  parameter: Pick<ParameterDeclaration, 'path' | 'kind' | 'settings'>,
): Readonly<Record<string, SlotSpec>> {
  return encodedSlots(parametrizationOf(parameter).slots(spec, parameter.settings), parameter);
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

/** The numbers of one slot of a parameter, decoded where it is held in codes. */
function slotOnHost(spec: ParameterSpec, parameter: Parameter, name: string): HostTensor {
  const stored = (slot: string): HostTensor => {
    const tensor = parameter.tensors[slot];
    invariant(tensor !== undefined, `${parameter.path} has no stored tensor ${slot}`);
    return tensor;
  };
  const encoding = slotEncoding(parameter, name);
  if (encoding === undefined) return stored(name);
  const slot = parametrizationOf(parameter).slots(spec, parameter.settings)[name];
  invariant(slot !== undefined, `${parameter.path} has no slot ${name}`);
  return decodeSlot(name, slot, encoding, stored);
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

/** Stored names of the tensors that training changes. */
export function trainableNames(model: ModelDeclaration, trains: (path: string) => boolean = () => true): string[] {
  const specs = parameterSpecs(model);
  return [...model.parameters.values()].flatMap((parameter) => {
    if (!trains(parameter.path)) return [];
    const spec = specs.get(parameter.path);
    invariant(spec !== undefined, `${parameter.path} is not a parameter of ${model.config.architecture}`);
    const slots = Object.entries(storedSlots(spec, parameter));
    return slots.filter(([, { trains }]) => trains).map(([slot]) => storedName(parameter, slot));
  });
}
