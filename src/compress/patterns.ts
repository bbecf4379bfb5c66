// Which matrices of a model a step touches: include and exclude patterns over parameter paths.
import { AppError } from '#base';
import { isEncoded, type Model, type ParameterSpec, parameterSpecs } from '#models';
import { nearestNames } from './nearest-name.ts';

export interface PathPatterns {
  /** `*` stands for any characters, dots included. Without any: every linear matrix inside the blocks. */
  readonly include?: readonly string[] | undefined;
  readonly exclude?: readonly string[] | undefined;
}

/** Matches the whole path; only `*` is special. */
export function matchesPattern(pattern: string, path: string): boolean {
  const literal = pattern.split('*').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${literal.join('.*')}$`, 's').test(path);
}

/**
 * The matrices to touch, in the model's order. Vectors (gains, biases) are never matrices; embeddings and the head only come in by a pattern that matches them.
 *
 * @throws AppError `pattern_matches_nothing` for a pattern without a matrix, with the nearest paths | `already_quantized` for a matrix in codes,
 * which is what a model ends as: another step would lose twice
 */
export function selectMatrices(model: Model, { include, exclude }: PathPatterns): ParameterSpec[] {
  const matrices = [...parameterSpecs(model).values()].filter(({ role }) => role !== 'vector');
  for (const pattern of [...(include ?? []), ...(exclude ?? [])]) checkPattern(pattern, matrices);
  const isIncluded = (spec: ParameterSpec): boolean =>
    include === undefined
      ? spec.role === 'linear' && spec.block !== undefined
      : include.some((pattern) => matchesPattern(pattern, spec.path));
  const selected = matrices.filter((spec) => isIncluded(spec) && !(exclude ?? []).some((pattern) => matchesPattern(pattern, spec.path)));
  if (selected.length === 0)
    throw new AppError('pattern_matches_nothing', 'the include and exclude patterns together leave no matrix. Exclude less.');
  for (const { path } of selected) requireNumbers(model, path);
  return selected;
}

function requireNumbers(model: Model, path: string): void {
  const parameter = model.parameters.get(path);
  if (parameter === undefined || !isEncoded(parameter)) return;
  const message = `${path} (${parameter.kind}) is quantized already. Quantize in the last step that touches a matrix, or exclude it here.`;
  throw new AppError('already_quantized', message, { details: { path } });
}

/** @throws AppError `pattern_matches_nothing` with the nearest paths */
export function checkPattern(pattern: string, matrices: readonly Pick<ParameterSpec, 'path'>[]): void {
  if (matrices.some(({ path }) => matchesPattern(pattern, path))) return;
  const near = nearestNames(
    pattern,
    matrices.map(({ path }) => path),
    3,
  );
  throw new AppError('pattern_matches_nothing', `pattern "${pattern}" matches no matrix of the model. Near it are ${near.join(', ')}.`, {
    details: { pattern, near: near.join(', ') },
  });
}
