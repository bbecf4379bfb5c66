// What every endpoint stands on, and which model a request means.
import { randomUUID } from 'node:crypto';
import type { InferenceBackend } from '#jobs';
import { badField } from './errors.ts';

/** What the endpoints need of the store; the newest version of every name. */
export interface ModelList {
  list(): Promise<readonly ListedModel[]>;
  get(reference: string): Promise<ListedModel>;
}

export interface ListedModel {
  readonly name: string;
  readonly createdMs: number;
}

export class Services {
  readonly inference: InferenceBackend;
  readonly models: ModelList;
  readonly #defaultModel: string | undefined;

  constructor(inference: InferenceBackend, models: ModelList, defaultModel: string | undefined) {
    this.inference = inference;
    this.models = models;
    this.#defaultModel = defaultModel;
  }

  /**
   * The model that is named in the body, else in the path (`/models/NAME/v1/…`), else the default, else the only one there is.
   *
   * @throws AppError `invalid_argument` where that says nothing
   */
  async modelOf(inBody: string | undefined, inPath: string | undefined): Promise<string> {
    const named = inBody || inPath || this.#defaultModel;
    if (named !== undefined && named !== '') return named;
    const [only, ...others] = await this.models.list();
    if (only !== undefined && others.length === 0) return only.name;
    throw badField(
      'model',
      'is missing, and there is more or less than one model. Name one in the body, or in the path as /models/NAME/v1/….',
    );
  }
}

/** What answers of one request share. */
export interface AnswerHead {
  readonly id: string;
  readonly object: string;
  /** Seconds since 1970. */
  readonly created: number;
  readonly model: string;
}

export function answerHead(prefix: string, object: string, model: string): AnswerHead {
  return { id: `${prefix}-${randomUUID().replaceAll('-', '')}`, object, created: Math.floor(Date.now() / 1000), model };
}
