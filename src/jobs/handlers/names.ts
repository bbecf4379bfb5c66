// Checks that every handler makes on names before its job is queued.
import { AppError } from '#base';
import { checkName, parseReference } from '#store';
import type { ModelHub } from '../model-hub.ts';

/** @throws AppError `bad_name` | `model_not_found` */
export async function checkReads(hub: ModelHub, references: readonly string[]): Promise<void> {
  for (const reference of references) if (reference !== '') await hub.get(reference);
}

/** @throws AppError `bad_name` | `model_exists` */
export async function checkWrites(hub: ModelHub, name: string, replace: boolean): Promise<void> {
  checkName(name);
  if (replace || !(await hub.has(name))) return;
  throw new AppError(
    'model_exists',
    `name "${name}": a model has it already. Choose another name, delete that model, or ask to replace it.`,
    {
      details: { name },
    },
  );
}

/** Equal sizes of vocabularies are not enough: every id must mean the same text. Known without loading either. @throws AppError `tokenizer_mismatch` */
export async function checkSameTokenizers(hub: ModelHub, student: string, teachers: readonly string[]): Promise<void> {
  const own = await hub.get(student);
  for (const name of teachers) {
    if (name === '') continue;
    const teacher = await hub.get(name);
    if (teacher.tokenizerHash === own.tokenizerHash) continue;
    const [studentName, teacherName] = [`${own.name}@${own.version}`, `${teacher.name}@${teacher.version}`];
    throw new AppError(
      'tokenizer_mismatch',
      `"${studentName}" and its teacher "${teacherName}" have different tokenizers. Use a teacher with the student's tokenizer.`,
      { details: { student: studentName, teacher: teacherName } },
    );
  }
}

/** The name that a job writes must not hold a version. */
export function nameOf(reference: string): string {
  return parseReference(reference).name;
}
