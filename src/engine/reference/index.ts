// engine/reference: plain evaluation in float64, the oracle for the other engines.
export { evaluateGraph } from './evaluate.ts';
export { createReferenceEngine, evaluateOnHost } from './reference-engine.ts';
