// Logit distillation: the student learns the teacher's whole distribution over the vocabulary, mixed with the data's own labels.
import { at } from '#base';
import type { DeviceBuffer, Engine } from '#engine';
import type { Emitter, GraphBuilder, Value } from '#graph';
import { borrowModel, causalNetwork, declarations, inPieces, type Model } from '#models';
import { elementCount, staticDim } from '#tensor';
import type { Objective } from '#train';

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
 * (1-α)·CE(labels) + α·T²·KL(softmax(t/T) ‖ softmax(s/T)), both as means over tokens, over the full vocabulary.
 *
 * The teacher runs in the student's graph; its logits never leave the device and never stand in memory for a whole batch.
 *
 * @see Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network", 2015, §2
 */
export function logitObjective(engine: Engine, teacher: Model, settings: LogitDistillation): TeacherObjective {
  // Only what the graph needs to know is kept: the weights are on the device.
  const declaration = declarations(teacher);
  const inputs: Readonly<Record<string, DeviceBuffer>> = borrowModel(engine, teacher, teacherPrefix);
  return {
    name: 'distill',
    inputs,
    release: () => {
      for (const buffer of Object.values(inputs)) buffer.release();
    },
    build: ({ b, student, vocabularySize, tokens, labels }) => {
      const count = elementCount(labels.shape);
      const scale = 1 / staticDim(count, 'tokens of a batch');
      const teacherNetwork = causalNetwork(b, declaration, tokens, { prefix: teacherPrefix });
      const teacherHidden = b.at('teacher', () => teacherNetwork.hidden(tokens)); // [B*T, D of the teacher]
      const studentPieces = inPieces(b, student.hidden(tokens), b.reshape(labels, [count]), vocabularySize);
      const teacherPieces = inPieces(b, teacherHidden, b.reshape(labels, [count]), vocabularySize);
      const sums = studentPieces.map(([rows, wanted], index) => {
        const teacherLogits = b.at('teacher', () => teacherNetwork.logits(at(teacherPieces, index)[0]));
        return pieceSums(b, student.logits(rows), teacherLogits, wanted, settings);
      });
      const total = (part: 'crossEntropy' | 'divergence'): Value =>
        b.mul(
          sums.map((sum) => sum[part]).reduce((left, right) => b.add(left, right)),
          scale,
        );
      const [crossEntropy, divergence] = [total('crossEntropy'), total('divergence')];
      const loss = b.add(b.mul(crossEntropy, 1 - settings.alpha), b.mul(divergence, settings.alpha * settings.temperature ** 2));
      return { loss, metrics: { crossEntropy, divergence } };
    },
  };
}

/** Sums over the rows of one piece: cross-entropy with the labels, and KL(teacher ‖ student) at the temperature, in nats. */
function pieceSums(
  b: GraphBuilder,
  studentLogits: Value,
  teacherLogits: Value,
  labels: Value,
  { temperature }: LogitDistillation,
): { readonly crossEntropy: Value; readonly divergence: Value } {
  const [losses, logProbabilities] = b.crossEntropy(studentLogits, labels);
  const soften = (logits: Value): Value => (temperature === 1 ? logits : b.mul(logits, 1 / temperature));
  const studentSoft = temperature === 1 ? logProbabilities : b.logSoftmax(soften(studentLogits));
  return { crossEntropy: b.reduceSum(losses, [0]), divergence: divergenceSum(b, b.logSoftmax(soften(teacherLogits)), studentSoft) };
}

/** Σ over rows of KL(p ‖ q) from log p and log q [N, V]. */
function divergenceSum(b: Emitter, logTeacher: Value, logStudent: Value): Value {
  return b.reduceSum(b.mul(b.exp(logTeacher), b.sub(logTeacher, logStudent)), [0, 1]);
}
