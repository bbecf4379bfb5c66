// The part of ONNX's schema (onnx.proto, IR version 10) that we write: models, graphs, nodes, tensors and types.
import { type Dim, type DType, type HostTensor, rawBytes, type Shape } from '#tensor';
import { MessageWriter } from './wire.ts';

/** TensorProto.DataType, which is also ONNXTensorElementDataType of the C API. */
export const elementType: Readonly<Record<DType, number>> = {
  float32: 1,
  uint8: 2,
  int8: 3,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
  float64: 11,
  bfloat16: 16,
};

/** The version of the standard operators that the lowering is written for. */
const opsetVersion = 21;
/** ONNX Runtime's own operators. */
export const contribDomain = 'com.microsoft';
/** Operators of our own, which sessions know where the processor has the instructions for them. */
export const ownDomain = 'athanor';

/** A float attribute; plain numbers are integers. */
export interface FloatAttribute {
  readonly float: number;
}
/** A branch: nodes that may read every value that stands before the node they belong to. */
export interface SubgraphAttribute {
  readonly branch: string;
  readonly nodes: readonly OnnxNode[];
  readonly outputs: readonly OnnxValueInfo[];
}
export type OnnxAttribute = number | readonly number[] | string | FloatAttribute | SubgraphAttribute | HostTensor;

export interface OnnxNode {
  readonly opType: string;
  readonly domain: string;
  readonly name: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, OnnxAttribute>>;
}

export interface OnnxValueInfo {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: Shape;
}

/** Where the bytes of a tensor are when they are not in the model itself. */
export interface ExternalLocation {
  readonly file: string;
  readonly offset: number;
  readonly sizeBytes: number;
}

export interface OnnxInitializer {
  readonly name: string;
  readonly tensor: HostTensor;
  readonly external?: ExternalLocation;
}

export interface OnnxModel {
  readonly name: string;
  readonly nodes: readonly OnnxNode[];
  readonly initializers: readonly OnnxInitializer[];
  readonly inputs: readonly OnnxValueInfo[];
  readonly outputs: readonly OnnxValueInfo[];
  /** Types of values in between that the runtime does not find out itself: written into the model. */
  readonly known?: readonly OnnxValueInfo[];
  /** Types of values inside, for who plans the memory of a run; not written. */
  readonly valueTypes?: ReadonlyMap<string, Omit<OnnxValueInfo, 'name'>>;
}

const irVersion = 10;

const attributeKind = { float: 1, integer: 2, text: 3, tensor: 4, graph: 5, integers: 7 } as const;

/** ModelProto. */
export function writeModel(model: OnnxModel): MessageWriter {
  const graph = new MessageWriter();
  for (const node of model.nodes) graph.message(1, writeNode(node));
  graph.text(2, model.name);
  for (const { name, tensor, external } of model.initializers) graph.message(5, writeTensor(tensor, name, external));
  for (const input of model.inputs) graph.message(11, writeValueInfo(input));
  for (const output of model.outputs) graph.message(12, writeValueInfo(output));
  for (const value of model.known ?? []) graph.message(13, writeValueInfo(value));
  const written = new MessageWriter()
    .integer(1, irVersion)
    .text(2, 'athanor')
    .message(7, graph)
    .message(8, new MessageWriter().text(1, '').integer(2, opsetVersion))
    .message(8, new MessageWriter().text(1, contribDomain).integer(2, 1));
  return hasOwnOperators(model) ? written.message(8, new MessageWriter().text(1, ownDomain).integer(2, 1)) : written;
}

/** Whether a model, its branches included, has operators of our own. */
export function hasOwnOperators({ nodes }: Pick<OnnxModel, 'nodes'>): boolean {
  return nodes.some(
    ({ domain, attributes }) =>
      domain === ownDomain || Object.values(attributes).some((value) => isBranch(value) && hasOwnOperators(value)),
  );
}

export function isBranch(attribute: OnnxAttribute): attribute is SubgraphAttribute {
  return typeof attribute === 'object' && 'branch' in attribute;
}

function writeNode(node: OnnxNode): MessageWriter {
  const writer = new MessageWriter();
  for (const input of node.inputs) writer.text(1, input);
  for (const output of node.outputs) writer.text(2, output);
  writer.text(3, node.name).text(4, node.opType);
  for (const [name, value] of Object.entries(node.attributes)) writer.message(5, writeAttribute(name, value));
  if (node.domain !== '') writer.text(7, node.domain);
  return writer;
}

function writeAttribute(name: string, value: OnnxAttribute): MessageWriter {
  const writer = new MessageWriter().text(1, name);
  if (typeof value === 'number') return writer.integer(3, value).integer(20, attributeKind.integer);
  if (typeof value === 'string') return writer.text(4, value).integer(20, attributeKind.text);
  if (Array.isArray(value)) {
    for (const item of value as readonly number[]) writer.integer(8, item);
    return writer.integer(20, attributeKind.integers);
  }
  if ('float' in value) return writer.float(2, value.float).integer(20, attributeKind.float);
  if ('branch' in value) return writer.message(6, writeBranch(value)).integer(20, attributeKind.graph);
  return writer.message(5, writeTensor(value as HostTensor, '')).integer(20, attributeKind.tensor);
}

function writeBranch({ branch, nodes, outputs }: SubgraphAttribute): MessageWriter {
  const graph = new MessageWriter();
  for (const node of nodes) graph.message(1, writeNode(node));
  graph.text(2, branch);
  for (const output of outputs) graph.message(12, writeValueInfo(output));
  return graph;
}

function writeTensor(tensor: HostTensor, name: string, external?: ExternalLocation): MessageWriter {
  const writer = new MessageWriter().packedIntegers(1, tensor.shape).integer(2, elementType[tensor.dtype]).text(8, name);
  if (external === undefined) return writer.bytes(9, rawBytes(tensor));
  const entries = { location: external.file, offset: `${external.offset}`, length: `${external.sizeBytes}` };
  for (const [key, value] of Object.entries(entries)) writer.message(13, new MessageWriter().text(1, key).text(2, value));
  return writer.integer(14, 1); // EXTERNAL
}

function writeValueInfo(info: OnnxValueInfo): MessageWriter {
  const shape = new MessageWriter();
  for (const dim of info.shape) shape.message(1, writeDim(dim));
  const tensorType = new MessageWriter().integer(1, elementType[info.dtype]).message(2, shape);
  return new MessageWriter().text(1, info.name).message(2, new MessageWriter().message(1, tensorType));
}

function writeDim(dim: Dim): MessageWriter {
  return typeof dim === 'number' ? new MessageWriter().integer(1, dim) : new MessageWriter().text(2, dim);
}
