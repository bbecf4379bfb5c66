// From a ModelInferRequest to checked tensors; nothing is allocated for a shape before the bytes behind it are there.
import { AppError } from '#base';
import type { ModelInferRequest__Output } from '../gen/inference/ModelInferRequest.ts';
import { isDatatype } from './datatypes.ts';
import { checkRaw, elementCount, filledMembers, packTyped, refusal } from './packing.ts';
import type { RequestParameters } from './parameters.ts';
import type { CheckedRequest, InputTensor, OutputTensor, ServedModel, TensorSpec } from './served-model.ts';

type WireInput = ModelInferRequest__Output['inputs'][number];

/** @throws AppError `invalid_argument` | `unsupported` */
export function checkRequest(request: ModelInferRequest__Output, model: ServedModel, parameters: RequestParameters): CheckedRequest {
  const { inputs: wires, rawInputContents: raw } = request;
  if (wires.length > model.inputs.length)
    throw refusal('inputs', `expected ${countOf(model)} for model '${model.name}', got ${wires.length}.`);
  if (raw.length > 0 && raw.length !== wires.length)
    throw refusal(
      'raw_input_contents',
      `${raw.length} entries for ${wires.length} inputs: there must be one for each input, or none at all.`,
    );
  const inputs = new Map<string, InputTensor>();
  wires.forEach((wire, index) => {
    if (inputs.has(wire.name)) throw refusal(placeOf(wire.name), 'is sent twice.');
    inputs.set(wire.name, readInput(wire, raw[index], model));
  });
  const missing = model.inputs.find(({ name, optional }) => optional !== true && !inputs.has(name));
  if (missing !== undefined)
    throw refusal('inputs', `expected ${countOf(model)} for model '${model.name}', but input '${missing.name}' is missing.`);
  return {
    inputs,
    parameters: parameters.own,
    priority: parameters.priority,
    queueTimeoutMs: parameters.queueTimeoutMs,
    batchSize: batchSizeOf([...inputs.values()], model),
  };
}

function placeOf(name: string): string {
  return `input '${name.slice(0, 100)}'`;
}

function countOf({ inputs }: ServedModel): string {
  const least = inputs.filter(({ optional }) => optional !== true).length;
  return `${least === inputs.length ? least : `${least} to ${inputs.length}`} inputs`;
}

function readInput(wire: WireInput, raw: Uint8Array | undefined, model: ServedModel): InputTensor {
  const place = placeOf(wire.name);
  if (Object.hasOwn(wire.parameters, 'shared_memory_region'))
    throw new AppError('unsupported', `${place}: shared memory is not served. Send the tensor in the request.`);
  const spec = model.inputs.find(({ name }) => name === wire.name);
  if (spec === undefined)
    throw refusal(place, `model '${model.name}' has no such input, but ${model.inputs.map(({ name }) => name).join(', ')}.`);
  if (!isDatatype(wire.datatype) || wire.datatype !== spec.datatype)
    throw refusal(place, `expected datatype ${spec.datatype}, got '${wire.datatype.slice(0, 20)}'.`);
  const { datatype } = spec;
  if (!fits(wire.shape, spec, model.maxBatchSize > 0)) {
    const expected = (model.maxBatchSize > 0 ? [-1, ...spec.dims] : spec.dims).join(',');
    throw refusal(
      place,
      `unexpected shape for input '${spec.name}' for model '${model.name}'. Expected [${expected}], got [${wire.shape.slice(0, 8).join(',')}].`,
    );
  }
  const count = elementCount(wire.shape, place);
  const isTyped = wire.contents !== null && filledMembers(wire.contents).length > 0;
  if (raw !== undefined) {
    if (isTyped) throw refusal(place, 'has contents although raw_input_contents is used: send all inputs in one way.');
    checkRaw(raw, datatype, count, place);
    return { name: spec.name, datatype, shape: wire.shape, bytes: raw };
  }
  if (!isTyped && count > 0) throw refusal(place, `holds no data for its ${count} elements.`);
  const bytes = wire.contents === null ? new Uint8Array() : packTyped(wire.contents, datatype, count, place);
  return { name: spec.name, datatype, shape: wire.shape, bytes };
}

/** A row of one element may be sent without the size 1: [N] for [N,1]. */
function fits(shape: readonly number[], { dims }: TensorSpec, isBatched: boolean): boolean {
  if (!isBatched) return matches(shape, dims);
  const isSingle = dims.length === 1 && dims[0] === 1;
  return matches(shape, [-1, ...dims]) || (isSingle && matches(shape, [-1]));
}

function matches(shape: readonly number[], dims: readonly number[]): boolean {
  return shape.length === dims.length && dims.every((size, index) => size === -1 || size === shape[index]);
}

function batchSizeOf(inputs: readonly InputTensor[], { maxBatchSize, name }: ServedModel): number {
  if (maxBatchSize === 0) return 1;
  const [size = 1, ...others] = new Set(inputs.map(({ shape }) => shape[0] ?? 1));
  if (others.length > 0) throw refusal('inputs', `have different batch sizes: ${[size, ...others].join(', ')}.`);
  if (size < 1) throw refusal('inputs', 'hold an empty batch.');
  if (size > maxBatchSize) throw refusal('inputs', `inference request batch-size must be <= ${maxBatchSize} for '${name}', got ${size}.`);
  return size;
}

/** The outputs that were asked for, in that order; all where none was named. @throws AppError `invalid_argument` | `unsupported` */
export function wantedOutputs(request: ModelInferRequest__Output, model: ServedModel): readonly string[] {
  if (request.outputs.length === 0) return model.outputs.map(({ name }) => name);
  const names = request.outputs.map(({ name, parameters }) => {
    const place = `output '${name.slice(0, 100)}'`;
    if (!model.outputs.some((spec) => spec.name === name))
      throw refusal(place, `model '${model.name}' has no such output, but ${model.outputs.map((spec) => spec.name).join(', ')}.`);
    for (const feature of ['shared_memory_region', 'classification'])
      if (Object.hasOwn(parameters, feature))
        throw new AppError('unsupported', `${place}: ${feature} is not served. Leave the parameter out.`);
    return name;
  });
  if (new Set(names).size !== names.length) throw refusal('outputs', 'name an output twice.');
  return names;
}

export function chosenOutputs(outputs: readonly OutputTensor[], wanted: readonly string[]): readonly OutputTensor[] {
  return wanted.flatMap((name) => outputs.filter((output) => output.name === name));
}
