// A student's distribution over the answers that its teacher named, and "any other".

import { at } from '#base';
import type { Emitter, Value } from '#graph';
import { staticDim } from '#tensor';
import { lowestLog } from './answers.ts';

/**
 * A student's log-probabilities of the answers `ids` int64 [n, k], and of all others together: [n, V] -> [n, k+1].
 *
 * The others are summed, not taken from 1, so that a student that is sure of itself loses no precision.
 */
export function outcomesOf(b: Emitter, logProbabilities: Value, ids: Value): Value {
  const [n, V] = logProbabilities.shape.map((size) => staticDim(size, 'rows of answers')) as [number, number];
  const k = staticDim(at(ids.shape, 1), 'answers of a row');
  const rowStarts = b.reshape(b.mul(b.range(n), V), [n, 1]);
  const places = b.reshape(b.add(rowStarts, ids), [n * k]); // in [n*V]
  const all = b.reshape(logProbabilities, [n * V]);
  const named = b.reshape(b.gather(all, places), [n, k]);
  const isNamed = b.scatterAdd(places, b.broadcastTo(b.scalar(1, 'float32'), [n * k]), n * V);
  const others = b.mul(b.exp(all), b.sub(1, b.stopGradient(isNamed)));
  const left = b.reduceSum(b.reshape(others, [n, V]), [1], true); // [n, 1]
  return b.concat([named, b.log(b.maximum(left, Math.exp(lowestLog)))], 1);
}
