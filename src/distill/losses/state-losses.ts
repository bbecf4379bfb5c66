// The terms that compare insides of two networks in one graph: where the states and attentions are, and the loss of each pair of layers.
import { at, invariant } from '#base';
import type { Emitter, Value } from '#graph';
import type { AttentionValues, GraphNetwork, LayerTaps } from '#models';
import { attentionLoss } from './attention-loss.ts';
import { hiddenLoss } from './hidden-loss.ts';
import type { LossPlan, StatePlace } from './plan.ts';
import { gramLoss, miniLmLoss, miniLmV2Loss } from './relation-loss.ts';
import type { Sequences } from './text-means.ts';

/** A network whose `hidden` was built. */
interface Insides {
  readonly network: GraphNetwork;
  readonly taps: LayerTaps;
}

function tapped({ taps }: GraphNetwork, name: string): Value {
  const value = taps.get(name);
  invariant(value !== undefined, `the network has a value ${name}`);
  return value;
}

/** What a layer made, rows [N, D]; of the last layer what comes behind the norm, which is what heads read. */
function stateOf({ network, taps }: Insides, layer: number): Value {
  return tapped(network, layer === taps.layers.length - 1 ? taps.result : at(taps.layers, layer));
}

function attentionOf({ network, taps }: Insides, layer: number): AttentionValues {
  const values = network.attentions.get(at(taps.layers, layer));
  invariant(values !== undefined, `the network attends in ${at(taps.layers, layer)}`);
  return values;
}

/** The state that all terms depend on, in the student: rows [N, D]. */
export function sharedState(network: GraphNetwork, { layers, input }: LayerTaps, { state }: StatePlace): Value {
  return tapped(network, state === 0 ? input : at(layers, state - 1));
}

export interface StateTerm {
  readonly student: GraphNetwork;
  readonly teacher: GraphNetwork;
  readonly sequences: Sequences;
  /** [D of the student, D of the teacher] */
  readonly projection: Value | undefined;
}

/** The sum over the pairs of layers, each as its formula says. */
export function stateLoss(
  b: Emitter,
  plan: Extract<LossPlan, { readonly states: unknown }>,
  { student, teacher, sequences, projection }: StateTerm,
): Value {
  const { states } = plan;
  const ours: Insides = { network: student, taps: states.student };
  const theirs: Insides = { network: teacher, taps: states.ofTeacher };
  const projected = (rows: Value): Value => (projection === undefined ? rows : b.matmul(rows, projection));
  if (plan.kind === 'embeddings')
    return hiddenLoss(b, projected(tapped(student, ours.taps.input)), tapped(teacher, theirs.taps.input), sequences, plan.loss);
  const ofPairs = states.pairs.map(([studentLayer, teacherLayer], index): Value => {
    const compared = <T>(of: (insides: Insides, layer: number) => T): readonly [T, T] => [of(ours, studentLayer), of(theirs, teacherLayer)];
    if (plan.kind === 'hidden') {
      const [s, t] = compared(stateOf);
      return hiddenLoss(b, projected(s), t, sequences, plan.loss);
    }
    if (plan.kind === 'relation' && plan.loss.of === 'gram') return gramLoss(b, ...compared(stateOf), sequences, plan.loss);
    const [s, t] = compared(attentionOf);
    if (plan.kind === 'attention') return attentionLoss(b, s, t, sequences, { of: plan.loss.of, distance: plan.distance });
    if (plan.loss.of === 'minilm') return miniLmLoss(b, s, t, sequences);
    return miniLmV2Loss(b, s, t, sequences, { heads: at(plan.heads, index) });
  });
  return ofPairs.reduce((sum, each) => b.add(sum, each));
}
