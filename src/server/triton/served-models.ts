// Which models this protocol serves, and what state each is in.
import { AppError } from '#base';
import type { InferenceBackend, ModelDescription, ModelRecord } from '#jobs';
import type { ModelCatalogue } from '../services/model-service.ts';
import { classifierModel, embedderModel, maskModel } from './models/encoding.ts';
import { generatingModel } from './models/generating.ts';
import { identityModel, type ModelIdentity } from './models/identity.ts';
import { refusal } from './packing.ts';
import type { ServedModel } from './served-model.ts';

export interface ServedModelsOptions {
  readonly models: ModelCatalogue;
  readonly inference: InferenceBackend;
  /** Also serve, under this name, a model that gives back what it is sent. */
  readonly identityModel?: string;
}

export interface ModelState {
  readonly name: string;
  readonly version: string;
  readonly state: 'READY' | 'UNAVAILABLE' | 'LOADING' | 'UNLOADING';
  readonly reason: string;
}

/** Descriptions that are remembered; a store has fewer models in use. */
const mostDescriptions = 1000;

/**
 * A model is READY while it is in memory. One that is not is loaded by its first request, unless a client of this protocol has
 * unloaded it: then it is UNAVAILABLE until it is loaded again.
 */
export class ServedModels {
  readonly #models: ModelCatalogue;
  readonly #inference: InferenceBackend;
  readonly #identity: ServedModel | undefined;
  /** By content and name: neither ever changes. */
  readonly #known = new Map<string, ServedModel>();
  /** References that were unloaded on request. */
  readonly #unloaded = new Set<string>();
  readonly #moving = new Map<string, 'LOADING' | 'UNLOADING'>();

  constructor({ models, inference, identityModel: identity }: ServedModelsOptions) {
    this.#models = models;
    this.#inference = inference;
    this.#identity = identity === undefined ? undefined : identityModel(identity);
  }

  /** A model that can be asked now. @throws AppError `model_not_found` | `model_not_ready` | `invalid_argument` (the version) */
  async find(name: string, version: string): Promise<ServedModel> {
    const identity = this.#identityOf(name, version);
    if (identity !== undefined) return identity;
    const record = await this.#record(name, version);
    const reference = referenceOf(record);
    // Somebody loaded it in another way: that counts as well.
    if (record.loaded && !this.#moving.has(reference)) this.#unloaded.delete(reference);
    if (this.#isUnloaded(record) || this.#moving.get(reference) === 'UNLOADING')
      throw new AppError('model_not_ready', `Request for model '${record.name}' version ${record.version} is not at ready state.`, {
        details: { name: record.name },
      });
    const key = `${reference} ${record.hash}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const identityOf = { name: record.name, version: String(record.version), reference };
    const model = servedModel(identityOf, await this.#inference.describe(reference), this.#inference);
    if (this.#known.size >= mostDescriptions) this.#known.clear();
    this.#known.set(key, model);
    return model;
  }

  /** @throws AppError as `find`, but for `model_not_ready` */
  async state(name: string, version: string): Promise<ModelState> {
    const identity = this.#identityOf(name, version);
    return identity === undefined ? this.#stateOf(await this.#record(name, version)) : identityState(identity);
  }

  /** The newest version of every model. */
  async index(): Promise<readonly ModelState[]> {
    const states = (await this.#models.list()).map((record) => this.#stateOf(record));
    return this.#identity === undefined ? states : [...states, identityState(this.#identity)];
  }

  async load(name: string): Promise<void> {
    if (this.#identityOf(name, '') !== undefined) return;
    const record = await this.#record(name, '');
    await this.#move(record, 'LOADING', async () => {
      await this.#models.load(referenceOf(record));
      this.#unloaded.delete(referenceOf(record));
    });
  }

  async unload(name: string): Promise<void> {
    if (this.#identityOf(name, '') !== undefined) throw new AppError('unsupported', `'${name}' is built in and stays loaded.`);
    const record = await this.#record(name, '');
    // First, so that no request loads it again.
    this.#unloaded.add(referenceOf(record));
    await this.#move(record, 'UNLOADING', async () => {
      await this.#models.unload(referenceOf(record));
    }).catch((error: unknown) => {
      this.#unloaded.delete(referenceOf(record));
      throw error;
    });
  }

  async #move(record: ModelRecord, state: 'LOADING' | 'UNLOADING', work: () => Promise<void>): Promise<void> {
    const reference = referenceOf(record);
    this.#moving.set(reference, state);
    try {
      await work();
    } finally {
      this.#moving.delete(reference);
    }
  }

  #identityOf(name: string, version: string): ServedModel | undefined {
    return name === this.#identity?.name && (version === '' || version === this.#identity.version) ? this.#identity : undefined;
  }

  async #record(name: string, version: string): Promise<ModelRecord> {
    if (!/^\d*$/.test(version)) throw refusal('model_version', `must be a whole number or empty, got '${version.slice(0, 20)}'.`);
    try {
      return await this.#models.get(version === '' ? name : `${name}@${Number(version)}`);
    } catch (error) {
      // A name that no model can have is an unknown one here.
      if (!(error instanceof AppError) || (error.code !== 'model_not_found' && error.code !== 'bad_name')) throw error;
      const which = version === '' ? '' : ` version ${version.slice(0, 20)}`;
      throw new AppError('model_not_found', `Request for unknown model: '${name.slice(0, 200)}'${which} is not found`, {
        cause: error,
        details: { name: name.slice(0, 200) },
      });
    }
  }

  #isUnloaded(record: ModelRecord): boolean {
    return !record.loaded && this.#unloaded.has(referenceOf(record));
  }

  #stateOf(record: ModelRecord): ModelState {
    const moving = this.#moving.get(referenceOf(record));
    const common = { name: record.name, version: String(record.version) };
    if (moving !== undefined) return { ...common, state: moving, reason: '' };
    if (record.loaded) return { ...common, state: 'READY', reason: '' };
    return { ...common, state: 'UNAVAILABLE', reason: this.#isUnloaded(record) ? 'unloaded' : 'not loaded yet' };
  }
}

function referenceOf({ name, version }: ModelRecord): string {
  return `${name}@${version}`;
}

function identityState({ name, version }: ServedModel): ModelState {
  return { name, version, state: 'READY', reason: '' };
}

function servedModel(identity: ModelIdentity, description: ModelDescription, inference: InferenceBackend): ServedModel {
  switch (description.task) {
    case 'causal':
    case 'seq2seq':
      return generatingModel(identity, description, inference);
    case 'classify':
      return classifierModel(identity, description, inference);
    case 'embed':
      return embedderModel(identity, description, inference);
    case 'masked':
      return maskModel(identity, description, inference);
  }
}
