// The order in which passes run, and the verifier between them.
import type { Graph } from '../types.ts';
import { verifyGraph } from '../verify.ts';
import { absorbScales } from './absorb-scales.ts';
import { foldConstants } from './fold-constants.ts';
import { joinPads } from './join-pads.ts';
import { joinProducts } from './join-products.ts';
import { mergeReshapes } from './merge-reshapes.ts';
import { reassociateScales } from './merge-scales.ts';
import { shareCommonSubexpressions } from './share-common.ts';

export interface OptimizeOptions {
  /** Verify after every pass; tests do, and production behind a flag. */
  readonly verify?: boolean;
}

const passes: readonly ((graph: Graph) => Graph)[] = [
  foldConstants,
  joinPads,
  mergeReshapes,
  absorbScales,
  joinProducts,
  reassociateScales,
  shareCommonSubexpressions,
];

/** Runs every pass once. Dead nodes disappear by themselves: a graph is what its outputs reach. */
export function optimizeGraph(graph: Graph, options: OptimizeOptions = {}): Graph {
  return passes.reduce((current, pass) => {
    const next = pass(current);
    if (options.verify === true) verifyGraph(next);
    return next;
  }, graph);
}
