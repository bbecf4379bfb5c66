// The one list of ops; every name and attribute type is derived from it.
import { invariant } from '#base';
import type { OpDefinition } from './op.ts';
import { activationOps } from './ops/activation.ts';
import { attentionOps } from './ops/attention.ts';
import { binaryOps } from './ops/binary.ts';
import { indexingOps } from './ops/indexing.ts';
import { int8Ops } from './ops/int8.ts';
import { int8AttentionOps } from './ops/int8-attention.ts';
import { lossOps } from './ops/loss.ts';
import { matmulOps } from './ops/matmul.ts';
import { movementOps } from './ops/movement.ts';
import { normalizeOps } from './ops/normalize.ts';
import { quantizedOps } from './ops/quantized.ts';
import { reduceOps } from './ops/reduce.ts';
import { roundedMatmulOps } from './ops/rounded-matmul.ts';
import { sourceOps } from './ops/source.ts';
import { unaryOps } from './ops/unary.ts';
import type { Node } from './types.ts';

export const ops = {
  ...sourceOps,
  ...unaryOps,
  ...binaryOps,
  ...reduceOps,
  ...matmulOps,
  ...quantizedOps,
  ...int8Ops,
  ...roundedMatmulOps,
  ...movementOps,
  ...indexingOps,
  ...normalizeOps,
  ...activationOps,
  ...lossOps,
  ...attentionOps,
  ...int8AttentionOps,
};

export type OpName = keyof typeof ops;

/** Attribute type of one op. */
export type AttrsOf<K extends OpName> = (typeof ops)[K] extends OpDefinition<infer _N, infer Attrs> ? Attrs : never;

/** A definition whose operand count and attributes the caller does not know statically. */
export type AnyOpDefinition = OpDefinition<number, object>;

export function opName(node: Node): OpName {
  invariant(Object.hasOwn(ops, node.op), `node ${node.id} has the unknown op ${node.op}`);
  return node.op as OpName;
}

/**
 * The definition behind a name, with its operand tuple and attributes forgotten.
 *
 * The cast is sound because nodes are made only by `GraphBuilder`, whose methods are typed by the definitions.
 */
export function definitionOf(name: OpName): AnyOpDefinition {
  return ops[name] as AnyOpDefinition;
}

/** The attributes of a node that the caller knows to apply `name`. */
export function attrsOf<K extends OpName>(node: Node, name: K): AttrsOf<K> {
  invariant(node.op === name, `expected a ${name} node, got ${node.op}`);
  return node.attrs as AttrsOf<K>;
}
