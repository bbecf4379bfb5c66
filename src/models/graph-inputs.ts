// What graphs take of a parameter: its stored tensors, with sparse slots whole.
import { invariant } from '#base';
import type { Graph } from '#graph';
import { castTensor, type HostTensor, sizeOf } from '#tensor';
import type { ModelConfig } from './config.ts';
import type { Model, ModelDeclaration, Parameter, ParameterDeclaration, ParameterSpec } from './model.ts';
import { storedName } from './model.ts';
import { graphSlots, graphType, parameterSpecs } from './parametrizations.ts';
import { decodeSparse, keptCount, maskFlags, sparsePieces } from './sparse-slots.ts';

/** One input of every graph that reads the parameter. */
export interface ParameterInput {
  /** Of the input, without the prefix of a model. */
  readonly name: string;
  readonly shape: readonly number[];
  readonly trains: boolean;
  /** Key of the stored tensor that holds its numbers. */
  readonly stored: string;
  /** Key of the stored bitmap, where it is sparse: the other numbers are zero and stay so. */
  readonly mask?: string;
}

/** The inputs of one parameter, in the order of its slots. */
function parameterInputs(spec: ParameterSpec, parameter: ParameterDeclaration): ParameterInput[] {
  return Object.entries(graphSlots(spec, parameter)).map(([slot, { shape, trains }]) => {
    const base = { name: storedName(parameter, slot), shape, trains };
    if (keptCount(parameter, slot) === undefined) return { ...base, stored: slot };
    const { mask, values } = sparsePieces(slot);
    return { ...base, stored: values, mask };
  });
}

/** Stored names of the graph inputs that training changes. */
export function trainableNames(model: ModelDeclaration): string[] {
  return allInputs(model)
    .filter(({ input }) => input.trains)
    .map(({ input }) => input.name);
}

/** The inputs of all parameters, each with its parameter, in the model's order. */
export function allInputs<P extends ParameterDeclaration>(model: {
  readonly config: ModelConfig;
  readonly parameters: ReadonlyMap<string, P>;
}): { readonly parameter: P; readonly input: ParameterInput }[] {
  const specs = parameterSpecs(model);
  return [...model.parameters.values()].flatMap((parameter) => {
    const spec = specs.get(parameter.path);
    invariant(spec !== undefined, `${parameter.path} is not a parameter of ${model.config.architecture}`);
    return parameterInputs(spec, parameter).map((input) => ({ parameter, input }));
  });
}

/**
 * The parameters' inputs of any graph of this model: float tensors widened to float32, sparse ones made whole, others as they are.
 *
 * Makes one tensor at a time, so that a caller who uploads or writes them never holds a second copy of the model.
 */
export function* modelInputs(model: Model, prefix = ''): Generator<readonly [string, HostTensor]> {
  for (const { parameter, input } of allInputs(model)) {
    const tensor = storedTensor(parameter, input.stored);
    const wide = castTensor(tensor, graphType(tensor.dtype));
    const whole = input.mask === undefined ? wide : decodeSparse(input.shape, storedTensor(parameter, input.mask), wide, input.name);
    yield [prefix + input.name, whole];
  }
}

/** The mask of a sparse input, bool in the input's shape: true where a number is kept. Undefined for the others. */
export function inputMask(parameter: Parameter, { mask, shape }: ParameterInput): HostTensor<'bool'> | undefined {
  if (mask === undefined) return undefined;
  const stored = storedTensor(parameter, mask);
  return { dtype: 'bool', shape, data: maskFlags(stored, sizeOf(shape)) };
}

function storedTensor(parameter: Parameter, slot: string): HostTensor {
  const tensor = parameter.tensors[slot];
  invariant(tensor !== undefined, `${parameter.path} has no stored tensor ${slot}`);
  return tensor;
}

/** What a graph reads of a model's parameters: what is frozen where it is compiled for that model. */
export function weightsOf(model: Model, graph: Graph): Map<string, HostTensor> {
  const wanted = new Set(graph.inputs.map(({ name }) => name));
  return new Map([...modelInputs(model)].filter(([name]) => wanted.has(name)));
}
