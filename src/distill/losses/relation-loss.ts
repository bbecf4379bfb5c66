// Relations between tokens, which need no equal widths: MiniLM's distributions and values, MiniLMv2's relation heads, and Gram matrices of states.
import { at } from '#base';
import type { Emitter, Value } from '#graph';
import { type AttentionValues, byHead } from '#models';
import { staticDim } from '#tensor';
import { logAttention, meanKeyDivergence } from './attention-loss.ts';
import { normalized, textVectors } from './hidden-loss.ts';
import { hiddenToEither, pairMean, type Sequences } from './text-means.ts';

/** log softmax(X·Xᵀ/√K) of each head, without what is hidden: x [B, T, heads, K] -> [B, heads, T, T]. */
function logRelation(b: Emitter, x: Value, hiding: Value | undefined): Value {
  const heads = byHead(b, x); // [B, heads, T, K]
  const scale = 1 / Math.sqrt(staticDim(at(x.shape, 3), 'width of a head'));
  return logAttention(b, b.matmul(heads, heads, { transposeB: true, scale }), hiding);
}

/**
 * KL of the attention distributions plus KL of the value relations softmax(V·Vᵀ/√K), teacher against student, each the mean over heads and real
 * tokens. Tokens that attention hides are hidden in the relations too. Widths may differ, heads (of queries, and of values) not.
 *
 * @see Wang et al., "MiniLM", NeurIPS 2020, eq. 4 to 7
 */
export function miniLmLoss(b: Emitter, student: AttentionValues, teacher: AttentionValues, sequences: Sequences): Value {
  const hiding = hiddenToEither(b, student.hiding, teacher.hiding);
  const kl = (of: (values: AttentionValues) => Value): Value => meanKeyDivergence(b, of(teacher), of(student), sequences);
  return b.add(
    kl(({ scores }) => logAttention(b, scores, hiding)),
    kl(({ v }) => logRelation(b, v, hiding)),
  );
}

/**
 * All heads' queries side by side are cut into `heads` relation heads of any width, keys and values likewise; the sum of KL(teacher ‖ student) of
 * softmax(Q·Qᵀ/√R), softmax(K·Kᵀ/√R) and softmax(V·Vᵀ/√R), R being the width of a relation head in each model.
 *
 * @param heads - divides the widths of queries, keys and values of both models
 * @see Wang et al., "MiniLMv2: Multi-Head Self-Attention Relation Distillation", Findings of ACL 2021, §3
 */
export function miniLmV2Loss(
  b: Emitter,
  student: AttentionValues,
  teacher: AttentionValues,
  sequences: Sequences,
  { heads }: { readonly heads: number },
): Value {
  const hiding = hiddenToEither(b, student.hiding, teacher.hiding);
  const relation = (x: Value): Value => {
    const width = staticDim(at(x.shape, 2), 'heads') * staticDim(at(x.shape, 3), 'width of a head');
    return logRelation(b, b.reshape(x, [at(x.shape, 0), at(x.shape, 1), heads, width / heads]), hiding);
  };
  return (['q', 'k', 'v'] as const)
    .map((part) => meanKeyDivergence(b, relation(teacher[part]), relation(student[part]), sequences))
    .reduce((sum, each) => b.add(sum, each));
}

/**
 * Mean squared difference of the cosines between states: between the real tokens of each text, or between the texts of the batch (means of their
 * tokens). Rows [B*T, D of each model] -> [].
 *
 * Over the batch, a text is compared with those it was drawn with: that loss alone changes when a batch is cut in parts.
 *
 * @see Peng et al., "Correlation Congruence for Knowledge Distillation", ICCV 2019; Tung and Mori, "Similarity-Preserving Knowledge Distillation",
 * ICCV 2019, eq. 2
 */
export function gramLoss(
  b: Emitter,
  student: Value,
  teacher: Value,
  sequences: Sequences,
  { over }: { readonly over: 'tokens' | 'batch' },
): Value {
  const { batch, counts } = sequences;
  const cosines = (rows: Value): Value => {
    const x =
      over === 'batch' ? normalized(b, textVectors(b, rows, sequences)) : normalized(b, b.reshape(rows, [...batch, at(rows.shape, 1)]));
    return b.matmul(x, x, { transposeB: true }); // [B, T, T] or [B, B]
  };
  const difference = b.sub(cosines(student), cosines(teacher));
  const squares = b.mul(difference, difference);
  if (over === 'batch') return b.reduceMean(squares, [0, 1]);
  return pairMean(b, squares, sequences, counts === undefined ? [] : [b.reshape(counts, [at(batch, 0), 1, at(batch, 1)])]);
}
