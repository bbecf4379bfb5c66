// Logit distillation: the student learns the teacher's whole distribution over tokens or labels, mixed with the data's own labels.
import { at, invariant } from '#base';
import type { DeviceBuffer, Engine } from '#engine';
import type { Emitter, GraphBuilder, Value } from '#graph';
import { borrowModel, declarations, inPieces, type Model } from '#models';
import { askedRows, meanOfRows, type Objective } from '#train';

export interface LogitDistillation {
  /** T: both distributions are softened by it; the KL term is multiplied by T² so that its gradient keeps its size. */
  readonly temperature: number;
  /** Weight of the KL term; 1 - α is the weight of cross-entropy with the data. */
  readonly alpha: number;
}

/** Prefix of the teacher's parameter names inside a student's graph. */
export const teacherPrefix = 'teacher/';

/** A distillation objective whose teacher is held on the device until `release`. */
export interface TeacherObjective extends Objective {
  release(): void;
}

/**
 * (1-α)·CE(labels) + α·T²·KL(softmax(t/T) ‖ softmax(s/T)), both as means over what the student's task asks: next tokens or hidden ones, over the full
 * vocabulary, or labels of texts.
 *
 * The teacher runs in the student's graph; its logits never leave the device and never stand in memory for a whole batch.
 *
 * @param hiddenTokens - for students that guess hidden tokens: how many there are in a batch of this length of sequences
 * @see Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network", 2015, §2
 */
export function logitObjective(
  engine: Engine,
  teacher: Model,
  settings: LogitDistillation,
  hiddenTokens?: (length: number) => number,
): TeacherObjective {
  // Only what the graph needs to know is kept: the weights are on the device.
  const declaration = declarations(teacher);
  const inputs: Readonly<Record<string, DeviceBuffer>> = borrowModel(engine, teacher, teacherPrefix);
  return {
    name: 'distill',
    inputs,
    release: () => {
      for (const buffer of Object.values(inputs)) buffer.release();
    },
    build: (context) => {
      const { b, student, task } = context;
      const { labels, weights, choices, hidden, logits } = askedRows(context, hiddenTokens);
      const teacherNetwork = b.at('teacher', () => context.networkOf(declaration, teacherPrefix));
      const teacherHidden = b.at('teacher', () => hidden(teacherNetwork)); // [N, D of the teacher]
      const studentHidden = hidden(student);
      const teacherPieces = inPieces(b, teacherHidden, labels, choices);
      const pieces = inPieces(b, studentHidden, labels, choices).map(([rows, wanted], index) => {
        const teacherLogits = b.at('teacher', () => logits(teacherNetwork, at(teacherPieces, index)[0]));
        const studentLogits = logits(student, rows);
        const isRight = (): Value => b.cast(b.equal(b.argMax(studentLogits, 1), wanted), 'float32');
        return {
          ...rowLosses(b, studentLogits, teacherLogits, wanted, settings),
          ...(task.kind === 'causal' ? {} : { accuracy: isRight() }),
        };
      });
      const mean = (part: 'crossEntropy' | 'divergence' | 'accuracy'): Value | undefined => {
        const rows = pieces.flatMap((piece) => piece[part] ?? []);
        return rows.length === 0 ? undefined : meanOfRows(b, rows, weights);
      };
      const [crossEntropy, divergence, accuracy] = [mean('crossEntropy'), mean('divergence'), mean('accuracy')];
      invariant(crossEntropy !== undefined && divergence !== undefined, 'a batch has rows');
      const loss = b.add(b.mul(crossEntropy, 1 - settings.alpha), b.mul(divergence, settings.alpha * settings.temperature ** 2));
      return { loss, metrics: { crossEntropy, divergence, ...(accuracy && { accuracy }) } };
    },
  };
}

/** Of each row of one piece: cross-entropy with the label, and KL(teacher ‖ student) at the temperature, in nats, both [n]. */
function rowLosses(
  b: GraphBuilder,
  studentLogits: Value,
  teacherLogits: Value,
  labels: Value,
  { temperature }: LogitDistillation,
): { readonly crossEntropy: Value; readonly divergence: Value } {
  const [crossEntropy, logProbabilities] = b.crossEntropy(studentLogits, labels);
  const soften = (logits: Value): Value => (temperature === 1 ? logits : b.mul(logits, 1 / temperature));
  const studentSoft = temperature === 1 ? logProbabilities : b.logSoftmax(soften(studentLogits));
  return { crossEntropy, divergence: divergences(b, b.logSoftmax(soften(teacherLogits)), studentSoft) };
}

/** KL(p ‖ q) of each row from log p and log q [n, C]. */
function divergences(b: Emitter, logTeacher: Value, logStudent: Value): Value {
  return b.reduceSum(b.mul(b.exp(logTeacher), b.sub(logTeacher, logStudent)), [1]);
}
