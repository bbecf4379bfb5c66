// The order in which passes run, and the verifier between them.
import type { NarrowFloat } from '#tensor';
import type { Graph } from '../types.ts';
import { verifyGraph } from '../verify.ts';
import { absorbScales } from './absorb-scales.ts';
import { foldConstants } from './fold-constants.ts';
import { joinPads } from './join-pads.ts';
import { joinProducts } from './join-products.ts';
import { mergeReshapes } from './merge-reshapes.ts';
import { reassociateScales } from './merge-scales.ts';
import { mixPrecision } from './mix-precision.ts';
import { shareCommonSubexpressions } from './share-common.ts';

export interface OptimizeOptions {
  /** Verify after every pass; tests do, and production behind a flag. */
  readonly verify?: boolean;
  /** What matrix products take and give (`mixPrecision`). @default 'float32' */
  readonly products?: 'float32' | NarrowFloat;
}

type Pass = (graph: Graph) => Graph;

function passesFor(products: 'float32' | NarrowFloat): readonly Pass[] {
  return [
    foldConstants,
    joinPads,
    mergeReshapes,
    // What a scale makes small must be small before it is rounded to float16, or it would be out of range: gradients of a scaled loss.
    ...(products === 'float16' ? [] : [absorbScales]),
    joinProducts,
    reassociateScales,
    ...(products === 'float32' ? [] : [(graph: Graph) => mixPrecision(graph, products)]),
    shareCommonSubexpressions,
  ];
}

/** Runs every pass once. Dead nodes disappear by themselves: a graph is what its outputs reach. */
export function optimizeGraph(graph: Graph, options: OptimizeOptions = {}): Graph {
  return passesFor(options.products ?? 'float32').reduce((current, pass) => {
    const next = pass(current);
    if (options.verify === true) verifyGraph(next);
    return next;
  }, graph);
}
