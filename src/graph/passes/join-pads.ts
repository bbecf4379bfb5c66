// Sums of pads that lie side by side become one concat: the gradient of slices such as GPT-2's q, k and v, or of row pieces.
import { at } from '#base';
import { sameShape } from '#tensor';
import { countUses } from '../order.ts';
import { attrsOf } from '../registry.ts';
import type { Graph, Node, Value } from '../types.ts';
import { rewriteGraph } from './rewrite.ts';

/** One pad of static sizes, seen as a part of the axis that it fills. */
interface Piece {
  readonly part: Value;
  readonly start: number;
  readonly size: number;
}

/** The pads that a tree of adds sums up; all have the same shape. */
interface Pieces {
  readonly axis: number;
  readonly list: Piece[];
  /** Sum of their sizes. */
  filled: number;
}

/**
 * Rewrites add(pad(a), add(pad(b), …)) to concat(a, b, …) where the parts are disjoint and fill the axis.
 *
 * Every add but the outermost must have no other use: its own value would be needed too.
 */
export function joinPads(graph: Graph): Graph {
  const uses = countUses(graph);
  /** For adds whose leaves are all pads and that no other add has taken over yet. */
  const gathered = new Map<Node, Pieces>();
  return rewriteGraph(graph, (node, operands, b) => {
    if (node.op !== 'add') return undefined;
    const shape = at(node.types, 0).shape;
    const [left, right] = [0, 1].map((index): Pieces | undefined => {
      const [before, now] = [at(node.operands, index), at(operands, index)];
      if (!sameShape(now.shape, shape)) return undefined;
      if (now.node.op === 'pad') return padAsPieces(now.node);
      return uses.get(before.node) === 1 ? gathered.get(before.node) : undefined;
    });
    if (left === undefined || right === undefined || left.axis !== right.axis) return undefined;

    // The shorter list goes into the longer one, so that a long chain costs little.
    const [longer, shorter] = left.list.length >= right.list.length ? [left, right] : [right, left];
    for (const piece of shorter.list) longer.list.push(piece);
    longer.filled += shorter.filled;
    if (longer.filled !== shape[longer.axis]) {
      gathered.set(node, longer);
      return undefined;
    }
    const parts = inOrder(longer.list);
    return parts === undefined ? undefined : [b.concat(parts, longer.axis)];
  });
}

function padAsPieces(pad: Node): Pieces | undefined {
  const { axis, before } = attrsOf(pad, 'pad');
  const part = at(pad.operands, 0);
  const size = at(part.shape, axis);
  return typeof before === 'number' && typeof size === 'number' ? { axis, list: [{ part, start: before, size }], filled: size } : undefined;
}

/** The parts from first to last, or undefined where one overlaps the next. */
function inOrder(list: readonly Piece[]): readonly Value[] | undefined {
  let end = 0;
  const sorted = [...list].sort((i, j) => i.start - j.start || i.size - j.size);
  const isAdjacent = sorted.every(({ start, size }) => {
    const follows = start === end;
    end += size;
    return follows;
  });
  return isAdjacent ? sorted.map(({ part }) => part) : undefined;
}
