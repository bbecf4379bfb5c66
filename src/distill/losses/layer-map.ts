// Which layer of the student learns from which of the teacher.
import { AppError } from '#base';
import type { LayerMap } from '#teaching';

/** Layers of the student and the teacher, both from 0. */
export type LayerPair = readonly [student: number, teacher: number];

/**
 * `uniform`: layer i learns from layer (i+1)·k-1, the last of the k that it stands for, k being the quotient of the depths. `last` and `first`: from the
 * teacher's last or first layers, one by one. Lists name the layers themselves, from 0, or from the end as -1, -2, …
 *
 * Layers are named by their results and by their own attention, so that one map serves both: TinyBERT counts the embeddings among the states, which
 * moves its map of states by one against that of attentions.
 *
 * @param place - the field at fault in errors
 * @throws AppError `invalid_argument` for a map that does not divide, or a layer that is not there
 * @see Jiao et al., "TinyBERT", Findings of EMNLP 2020, §3.1; Sun et al., "Patient Knowledge Distillation", EMNLP 2019, §3.2 (skip and last)
 */
export function layerPairs(map: LayerMap, student: number, teacher: number, place: string): readonly LayerPair[] {
  const fail = (why: string): AppError =>
    new AppError('invalid_argument', `${place}: ${why}`, { details: { field: place, studentLayers: student, teacherLayers: teacher } });
  if (typeof map !== 'string')
    return map.map(([ofStudent, ofTeacher]): LayerPair => {
      const found = (layer: number, depth: number, who: string): number => {
        if (layer >= depth || layer < -depth)
          throw fail(`layer ${layer} of the ${who} does not exist: it has ${depth}, from 0 to ${depth - 1}, or from -${depth} to -1.`);
        return layer < 0 ? depth + layer : layer;
      };
      return [found(ofStudent, student, 'student'), found(ofTeacher, teacher, 'teacher')];
    });
  if (map === 'uniform' && teacher % student !== 0)
    throw fail(
      `"uniform" cannot map ${student} layers to ${teacher}: ${student} does not divide ${teacher}. Choose "last", "first" or pairs such as [[${student - 1}, ${teacher - 1}]].`,
    );
  if (map !== 'uniform' && student > teacher)
    throw fail(`"${map}" gives each of ${student} layers one of the teacher's, which has only ${teacher}. Give pairs of layers.`);
  const group = teacher / student;
  return Array.from({ length: student }, (_, layer): LayerPair => {
    if (map === 'uniform') return [layer, (layer + 1) * group - 1];
    return [layer, map === 'first' ? layer : layer + teacher - student];
  });
}
