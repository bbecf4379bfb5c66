// Recipes: the ordered steps that make a model smaller, checked with errors that name the field.

import type { z } from 'zod';
import { AppError, type OperationContext } from '#base';
import type { Model } from '#models';
import type { MethodTraining } from '#teaching';
import type { CompressionEnvironment, Method, MethodResult, TaughtTask } from './method.ts';
import { nearestNames } from './nearest-name.ts';

/** One checked step, bound to its method. */
export interface RecipeStep {
  readonly method: string;
  /** Settings with defaults filled in; plain JSON. */
  readonly settings: unknown;
  readonly needsCalibration: boolean;
  readonly needsHeldOut: boolean;
  /** Settings of the training that the step is, or has; undefined where it does not train. */
  readonly training: MethodTraining | undefined;
  /** Whether the model's own matrices stay as they are while it trains. */
  readonly adapts: boolean;
  /** How large the model gets while it trains, relative to before. */
  readonly growth: number;
  /** The task that the step gives to the model; undefined where it keeps its own. */
  readonly teaches: TaughtTask | undefined;
  /** Stored models that the settings name. */
  readonly models: readonly string[];
  /** Steps that this one may run inside, as far as the settings name them. */
  readonly nested?: readonly RecipeStep[];
  /** What rules the step out on this model, found without data. @throws AppError as `apply` */
  check(model: Model): void;
  apply(model: Model, environment: CompressionEnvironment, context: OperationContext): Promise<MethodResult>;
}

export interface Recipe {
  readonly steps: readonly RecipeStep[];
  /** For steps that set none. */
  readonly seed?: number;
}

/** All steps, those inside others too. */
export function everyStep({ steps }: Pick<Recipe, 'steps'>): RecipeStep[] {
  return steps.flatMap((step) => [step, ...(step.nested ?? [])]);
}

/** A method as recipes see it: its settings' type is hidden inside. */
export interface RegisteredMethod {
  readonly name: string;
  /** @throws AppError `bad_recipe` naming the field below `place` */
  step(settings: unknown, place: string): RecipeStep;
}

/** Hides a method's settings type, so that methods can stand in one table. */
export function register<Settings>(method: Method<Settings>): RegisteredMethod {
  return {
    name: method.name,
    step(raw, place) {
      const parsed = method.settings.safeParse(raw, { reportInput: true });
      if (!parsed.success) throw describeIssue(parsed.error, place, Object.keys(method.settings.shape));
      const settings = parsed.data;
      return {
        method: method.name,
        settings,
        needsCalibration: method.needsCalibration(settings),
        needsHeldOut: method.needsHeldOut?.(settings) ?? false,
        training: method.training?.(settings),
        adapts: method.adapts ?? false,
        growth: method.growth?.(settings) ?? 1,
        teaches: method.teaches?.(settings),
        models: method.models?.(settings) ?? [],
        check: (model) => method.check?.(model, settings),
        apply: (model, environment, context) => method.apply(model, settings, environment, context),
      };
    },
  };
}

/**
 * Checks a recipe as it comes from YAML, JSON or the wire: `{ steps: [{ lowRank: { ratio: 0.5 } }], seed: 1 }`.
 *
 * @throws AppError `bad_recipe` naming the field, for example `steps[0].lowRank.ratoi`, and the nearest valid name
 */
export function parseRecipe(input: unknown, methods: Readonly<Record<string, RegisteredMethod>>): Recipe {
  const recipe = record(input, 'recipe');
  for (const key of Object.keys(recipe)) if (key !== 'steps' && key !== 'seed') throw unknownField(key, key, ['steps', 'seed']);
  const { steps, seed } = recipe;
  if (!Array.isArray(steps) || steps.length === 0)
    throw new AppError('bad_recipe', 'steps: must be a list of at least one step such as {"lowRank": {"ratio": 0.5}}.');
  if (seed !== undefined && (typeof seed !== 'number' || !Number.isSafeInteger(seed)))
    throw new AppError('bad_recipe', `seed: must be a whole number, got ${JSON.stringify(seed)}.`);
  const parsed = steps.map((step: unknown, index) => parseStep(step, `steps[${index}]`, methods));
  return seed === undefined ? { steps: parsed } : { steps: parsed, seed };
}

/** @throws AppError `bad_recipe` naming the field below `place` */
export function parseStep(input: unknown, place: string, methods: Readonly<Record<string, RegisteredMethod>>): RecipeStep {
  const names = Object.keys(methods);
  const entries = Object.entries(record(input, place));
  const [entry] = entries;
  if (entry === undefined || entries.length > 1)
    throw new AppError('bad_recipe', `${place}: must hold exactly one of ${names.join(', ')}, got ${entries.length} fields.`);
  const [name, settings] = entry;
  const method = Object.hasOwn(methods, name) ? methods[name] : undefined;
  if (method === undefined) throw unknownField(`${place}.${name}`, name, names, 'step');
  return method.step(settings ?? {}, `${place}.${name}`);
}

function record(input: unknown, place: string): Record<string, unknown> {
  if (typeof input === 'object' && input !== null && !Array.isArray(input)) return { ...input };
  throw new AppError(
    'bad_recipe',
    `${place}: must be an object, got ${input === null ? 'null' : Array.isArray(input) ? 'a list' : typeof input}.`,
  );
}

function unknownField(field: string, name: string, known: readonly string[], what = 'field'): AppError {
  const nearest = nearestNames(name, known).join();
  return new AppError('bad_recipe', `${field}: unknown ${what}. Did you mean "${nearest}"? Known are ${known.join(', ')}.`, {
    details: { field, nearest },
  });
}

/** The first fault that zod found, as a field path and a sentence. */
function describeIssue(error: z.ZodError, place: string, known: readonly string[]): AppError {
  const [issue] = error.issues;
  if (issue === undefined) return new AppError('bad_recipe', `${place}: is not valid.`);
  const field = issue.path.reduce<string>((path, key) => (typeof key === 'number' ? `${path}[${key}]` : `${path}.${String(key)}`), place);
  if (issue.code === 'unrecognized_keys') {
    const [name = ''] = issue.keys;
    return unknownField(`${field}.${name}`, name, known);
  }
  return new AppError('bad_recipe', `${field}: ${issue.message}${givenValue(issue)}.`, { details: { field } });
}

/** The value that a fault is about, where its message does not have it already. For schemas read with `reportInput`. */
export function givenValue({ code, input }: z.core.$ZodIssue): string {
  const isPlain = typeof input === 'number' || typeof input === 'string';
  return isPlain && (code === 'too_small' || code === 'too_big' || code === 'invalid_value') ? `, got ${JSON.stringify(input)}` : '';
}
