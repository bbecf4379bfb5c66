// What a study of methods that train is: cells that are made once for each seed, and the orders that are expected of their scores.
import { type OperationContext, quietContext } from '#base';
import { compressModel, parseRecipe } from '#compress';
import { parameterCounts } from '#models';
import type { ActivationFolder } from '../../../src/jobs/activation-folder.ts';
import { recipeMethods } from '../../../src/jobs/distill-step.ts';
import { RecipeTraining } from '../../../src/jobs/recipe-training.ts';
import type { Records, StudyRecord } from '../catalogue/records.ts';
import type { Subject } from './subjects.ts';

/** One model that was trained and measured. */
export interface Made {
  /** Less is better. */
  readonly score: number;
  readonly storedBytes: number;
  /** What else was measured, by the names of the study's `facts`. */
  readonly facts?: Readonly<Record<string, number>>;
}

/** One way to train. */
export interface Cell {
  readonly key: string;
  /** Training steps of the whole recipe; 0 where nothing trains, and one seed is enough. */
  readonly steps: number;
  make(seed: number): Promise<Made>;
}

/** Two cells, of which the first is expected to be the better one. */
export interface Claim {
  readonly better: string;
  readonly worse: string;
  /** The pair is said to be about equal: by how much, as a share, `better` may be worse. */
  readonly slack?: number;
}

/** What is expected of another measurement: keys from the least to the most. */
export interface FactClaim {
  readonly fact: string;
  readonly order: readonly string[];
}

export interface TrainedStudy {
  readonly title: string;
  readonly measure: string;
  readonly setting: string;
  readonly cells: readonly Cell[];
  readonly claims: readonly Claim[];
  readonly factClaims?: readonly FactClaim[];
  /** Further columns of the table. */
  readonly facts?: readonly string[];
  /** Scores above it are drawn there. */
  readonly limit?: number;
  /** Each cell runs in a process of its own, so that its memory is its own. */
  readonly isolated?: boolean;
  close(): Promise<void>;
}

/** How much is trained and measured. */
export interface StudyScale {
  /** Of a training; some cells take several. */
  readonly steps: number;
  /** Of labelled texts, and hundreds of held-out characters of running text; all when 0. */
  readonly rows: number;
  /** False where only cells and claims are asked for: no subject is trained then. */
  readonly makes: boolean;
}

export interface TrainedRecord extends StudyRecord {
  /** Its processor. */
  readonly machine: string;
  readonly facts?: Readonly<Record<string, number>>;
}

export type TrainedRecords = Records<TrainedRecord>;

/** A chain of claims: each cell is expected to be better than the one after it. */
export function inOrder(...keys: readonly string[]): Claim[] {
  return keys.slice(1).map((worse, index) => ({ better: keys[index] ?? '', worse }));
}

/** The subject's model through a recipe, whose trainings have this seed; a teacher is the model as it was. */
export function madeFrom(
  subject: Subject,
  steps: readonly object[],
  seed: number,
  context: OperationContext = quietContext,
  activations?: ActivationFolder,
): ReturnType<typeof compressModel> {
  const { engine, model, corpus, labels, calibration } = subject;
  const training = new RecipeTraining({
    engine,
    corpus,
    labels,
    seed,
    teacher: async () => model,
    ...(activations ? { activations } : {}),
  });
  const environment = { engine, calibration, seed, ofStep: () => ({ training }) };
  return compressModel(model, parseRecipe({ steps, seed }, recipeMethods), environment, context);
}

/** A cell that is a recipe on the subject's model. No steps: the model as it is. */
export function recipeCell(subject: Subject, key: string, steps: number, recipe: readonly object[]): Cell {
  const make = async (seed: number): Promise<Made> => {
    const model = recipe.length === 0 ? subject.model : (await madeFrom(subject, recipe, seed)).model;
    return { score: await subject.score(model), storedBytes: parameterCounts(model).storedBytes };
  };
  return { key, steps, make };
}
