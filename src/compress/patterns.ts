// Which matrices of a model a step touches: include and exclude patterns over parameter paths.
import { AppError } from '#base';
import { isEncoded, type Model, type ParameterSpec, parameterSpecs, sharedOwner } from '#models';
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
 * A matrix that several layers share comes once, where it is stored.
 *
 * @throws AppError `pattern_matches_nothing` for a pattern without a matrix, with the nearest paths, or with the place where it is stored | `already_quantized` for a matrix in codes,
 * which is what a model ends as: another step would lose twice
 */
export function selectMatrices(model: Model, { include, exclude }: PathPatterns): ParameterSpec[] {
  const matrices = [...parameterSpecs(model).values()].filter(({ role }) => role !== 'vector');
  const ownerOf = (path: string): string | undefined => {
    const parameter = model.parameters.get(path);
    return parameter === undefined ? undefined : sharedOwner(parameter);
  };
  for (const pattern of [...(include ?? []), ...(exclude ?? [])]) checkPattern(pattern, matrices, ownerOf);
  const isIncluded = (spec: ParameterSpec): boolean =>
    include === undefined
      ? spec.role === 'linear' && spec.block !== undefined
      : include.some((pattern) => matchesPattern(pattern, spec.path));
  const isExcluded = ({ path }: ParameterSpec): boolean => (exclude ?? []).some((pattern) => matchesPattern(pattern, path));
  const selected = matrices.filter((spec) => ownerOf(spec.path) === undefined && isIncluded(spec) && !isExcluded(spec));
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

/**
 * @param ownerOf - the path under which a shared matrix is stored; undefined for one that stores its own
 * @throws AppError `pattern_matches_nothing` with the nearest paths
 */
export function checkPattern(
  pattern: string,
  matrices: readonly Pick<ParameterSpec, 'path'>[],
  ownerOf: (path: string) => string | undefined = () => undefined,
): void {
  const matched = matrices.filter(({ path }) => matchesPattern(pattern, path));
  if (matched.some(({ path }) => ownerOf(path) === undefined)) return;
  const [shared] = matched;
  if (shared !== undefined) throw onlyShared(pattern, shared.path, ownerOf(shared.path) ?? '');
  const near = nearestNames(
    pattern,
    matrices.map(({ path }) => path),
    3,
  );
  throw new AppError('pattern_matches_nothing', `pattern "${pattern}" matches no matrix of the model. Near it are ${near.join(', ')}.`, {
    details: { pattern, near: near.join(', ') },
  });
}

/** Excluding a user would not keep it as it is either: its weight is touched where it is stored. */
function onlyShared(pattern: string, path: string, owner: string): AppError {
  const message = `pattern "${pattern}" matches only shared matrices: ${path} is stored once, as ${owner}. Name the matrix where it is stored.`;
  return new AppError('pattern_matches_nothing', message, { details: { pattern, owner } });
}
