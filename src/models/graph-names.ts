// Names of the inputs and outputs of a model's graphs that are not parameters, and rows in pieces of bounded size.
import { at } from '#base';
import type { Emitter, Value } from '#graph';

export const graphNames = {
  tokens: 'tokens',
  labels: 'labels',
  mask: 'mask',
  tokenTypes: 'tokenTypes',
  rows: 'rows',
  weights: 'weights',
  positions: 'positions',
  keyPositions: 'keyPositions',
  lastIndex: 'lastIndex',
  totalLength: 'totalLength',
  logitRows: 'logitRows',
  packedRows: 'packedRows',
  paddedRows: 'paddedRows',
  source: 'source',
  sourceMask: 'sourceMask',
  parents: 'parents',
  logits: 'logits',
  embedding: 'embedding',
  negativeLogLikelihood: 'negativeLogLikelihood',
  topToken: 'topToken',
} as const;

/** Logits in one piece take at most this many elements (32 MiB): what is computed of them then fits a processor's cache. */
const largestLogitsPiece = 1 << 23;

/**
 * Cuts rows into pieces whose logits stay small, so that peak memory does not grow with the vocabulary.
 *
 * hidden rows [N, D] and one more value [N]; symbolic N is one piece.
 */
export function inPieces(b: Emitter, hidden: Value, labels: Value, vocabularySize: number): readonly (readonly [Value, Value])[] {
  const rows = at(hidden.shape, 0);
  const pieceRows = Math.max(1, Math.floor(largestLogitsPiece / vocabularySize));
  if (typeof rows !== 'number' || rows <= pieceRows) return [[hidden, labels]];
  const pieces: [Value, Value][] = [];
  for (let start = 0; start < rows; start += pieceRows) {
    const end = Math.min(start + pieceRows, rows);
    pieces.push([b.slice(hidden, 0, start, end), b.slice(labels, 0, start, end)]);
  }
  return pieces;
}
