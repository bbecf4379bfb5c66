// One graph that scores a model, and compares it with its teacher where there is one, without logits leaving the device.
import { AppError, at } from '#base';
import { type Graph, GraphBuilder, type Value } from '#graph';
import { causalNetwork, type ModelDeclaration } from '#models';

/** Names of inputs and outputs; all outputs are float32 [B*T]. */
export const comparisonNames = {
  tokens: 'tokens',
  labels: 'labels',
  /** −ln p(label), nats. */
  loss: 'loss',
  /** 1 where the most likely token is the label. */
  isRight: 'isRight',
  teacherLoss: 'teacherLoss',
  teacherIsRight: 'teacherIsRight',
  /** 1 where both models have the same most likely token. */
  agrees: 'agrees',
  /** KL(teacher ‖ student) over the whole vocabulary, nats. */
  divergence: 'divergence',
} as const;

/** Put before the names of the teacher's parameters. */
export const teacherPrefix = 'teacher/';

/** Sizes of a run. */
export interface ComparisonSizes {
  /** B */
  readonly batch: number;
  /** T */
  readonly window: number;
  /** Logits in one piece take at most this many elements, a row at least; 2^23 (32 MiB) when absent. A handful is alive at once. */
  readonly pieceElements?: number;
}

const defaultPieceElements = 1 << 23;

/**
 * Builds the graph for batches of exactly `batch` windows of `window` tokens: tokens and labels int64 [B, T].
 *
 * @throws AppError `context_too_long` | `tokenizer_mismatch` when the vocabularies differ
 */
export function buildComparisonGraph(student: ModelDeclaration, teacher: ModelDeclaration | undefined, sizes: ComparisonSizes): Graph {
  const { batch, window, pieceElements = defaultPieceElements } = sizes;
  const V = student.config.vocabularySize;
  if (teacher !== undefined && teacher.config.vocabularySize !== V)
    throw new AppError(
      'tokenizer_mismatch',
      `evaluation: the student has ${V} tokens, the teacher ${teacher.config.vocabularySize}. Compare models that share a vocabulary.`,
    );
  const b = new GraphBuilder();
  const tokens = b.input(comparisonNames.tokens, 'int64', [batch, window]);
  const labels = b.reshape(b.input(comparisonNames.labels, 'int64', [batch, window]), [batch * window]);
  const studentRows = rowsOf(b, student, tokens, '');
  const teacherRows = teacher === undefined ? undefined : rowsOf(b, teacher, tokens, teacherPrefix);

  const parts = new Map<string, Value[]>();
  const numRows = batch * window;
  const pieceRows = Math.max(1, Math.floor(pieceElements / V));
  for (let start = 0; start < numRows; start += pieceRows) {
    const end = Math.min(start + pieceRows, numRows);
    const pieceLabels = b.slice(labels, 0, start, end);
    for (const [name, value] of Object.entries(compareRows(b, studentRows(start, end), teacherRows?.(start, end), pieceLabels)))
      parts.set(name, [...(parts.get(name) ?? []), value]);
  }
  const outputs = [...parts].map(([name, pieces]) => [name, pieces.length === 1 ? at(pieces, 0) : b.concat(pieces, 0)] as const);
  return b.graph(Object.fromEntries(outputs));
}

/** The logits of rows start … end−1 of [B*T], made when asked for. */
function rowsOf(b: GraphBuilder, model: ModelDeclaration, tokens: Value, prefix: string): (start: number, end: number) => Value {
  const net = causalNetwork(b, model, tokens, { prefix });
  const hidden = net.hidden(tokens); // [B*T, D]
  return (start, end) => net.logits(b.slice(hidden, 0, start, end)); // [N, V]
}

function compareRows(b: GraphBuilder, logits: Value, teacherLogits: Value | undefined, labels: Value): Record<string, Value> {
  const [loss, logProbabilities] = b.crossEntropy(logits, labels); // [N], [N, V]
  const top = b.argMax(logits, 1);
  const same = (x: Value, y: Value): Value => b.cast(b.equal(x, y), 'float32');
  const own = { [comparisonNames.loss]: loss, [comparisonNames.isRight]: same(top, labels) };
  if (teacherLogits === undefined) return own;
  const [teacherLoss, teacherLogProbabilities] = b.crossEntropy(teacherLogits, labels);
  const teacherTop = b.argMax(teacherLogits, 1);
  // Σ_v p_teacher (ln p_teacher − ln p_student)
  const weighted = b.mul(b.exp(teacherLogProbabilities), b.sub(teacherLogProbabilities, logProbabilities)); // [N, V]
  return {
    ...own,
    [comparisonNames.teacherLoss]: teacherLoss,
    [comparisonNames.teacherIsRight]: same(teacherTop, labels),
    [comparisonNames.agrees]: same(top, teacherTop),
    [comparisonNames.divergence]: b.reduceSum(weighted, [1]), // [N]
  };
}
