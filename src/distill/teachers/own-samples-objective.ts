// The loss on a student's own samples: a divergence from a resident teacher, over the drawn tokens alone.
import { at } from '#base';
import { declarations, inPieces, type Model } from '#models';
import { askedRows, meanOfRows, type Objective } from '#train';
import { type Divergence, divergenceRows } from '../losses/divergence.ts';
import { teacherPrefix } from '../losses/objective.ts';

/**
 * T²·D(teacher, student), both softened by T, over the rows that count. The cross-entropy that is reported beside it is that of the samples under the
 * student that drew them: the entropy of its draws, about.
 *
 * The teacher's weights are those of the objective for the data, under the prefix `teacher/`.
 */
export function ownSamplesObjective(teacher: Model, temperature: number, divergence: Divergence): Objective {
  const declaration = declarations(teacher);
  return {
    name: 'distill',
    inputs: {},
    build: (context) => {
      const { b, student } = context;
      const { labels, weights, choices, hidden, logits } = askedRows(context);
      const network = b.at('teacher', () => context.networkOf(declaration, teacherPrefix()));
      const teacherRows = inPieces(b, hidden(network), labels, choices);
      const pieces = inPieces(b, hidden(student), labels, choices).map(([rows, drawn], index) => {
        const studentLogits = logits(student, rows);
        const teacherLogits = b.at('teacher', () => logits(network, at(teacherRows, index)[0]));
        const soft = (values: typeof studentLogits) => b.logSoftmax(temperature === 1 ? values : b.mul(values, 1 / temperature));
        return {
          crossEntropy: b.crossEntropy(b.stopGradient(studentLogits), drawn)[0],
          difference: divergenceRows(b, soft(teacherLogits), soft(studentLogits), divergence),
        };
      });
      const difference = meanOfRows(
        b,
        pieces.map((piece) => piece.difference),
        weights,
      );
      const crossEntropy = meanOfRows(
        b,
        pieces.map((piece) => piece.crossEntropy),
        weights,
      );
      return { loss: b.mul(difference, temperature ** 2), metrics: { crossEntropy, divergence: difference } };
    },
  };
}
