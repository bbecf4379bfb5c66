// The models in memory: loaded once, shared by everybody who uses them, given back when nobody does and somebody asks.
import { AppError, invariant, type OperationContext } from '#base';
import type { DeviceBuffer, Engine } from '#engine';
import { borrowModel, type Model } from '#models';
import { type ArtefactContent, type ArtefactVersion, checkName, type LocalStore, parseReference, type StoredArtefact } from '#store';
import { tensorBytes } from '#tensor';
import { loadTokenizer, type Tokenizer } from '#text';
import { modelFacts } from './model-facts.ts';
import type { ModelNotes } from './model-ledger.ts';
import { type MemoryUser, makeRoom } from './model-memory.ts';
import { holdAgainst, type Promotion, type Promotions, type Thresholds } from './promotions.ts';
import type { ModelFacts, ModelRecord, Verification } from './results.ts';
import type { ResultCheck } from './verification/result-check.ts';

/** Something made for a loaded model and kept with it, for example its weights on the device. */
export interface ModelResource<Value> {
  readonly value: Value;
  /** Bytes it holds beside those that the model holds already. */
  readonly residentBytes: number;
  release(): Promise<void> | void;
}

interface ResidentModel {
  readonly artefact: StoredArtefact;
  readonly tokenizer: Tokenizer;
  readonly sourceTokenizer: Tokenizer;
  readonly modelBytes: number;
  readonly resources: Map<string, Promise<ModelResource<unknown>>>;
  /** Those that are ready. */
  readonly held: Set<ModelResource<unknown>>;
  readonly leases: Set<ModelLease>;
  /** When somebody came or left last; larger is later. */
  lastUsed: number;
  /** Called when the last user leaves, once somebody waits for that. */
  idle: (() => void)[];
}

export interface ModelHubOptions {
  readonly store: LocalStore;
  readonly engine: Engine;
  readonly ledger: ModelNotes;
  /** Stable names; absent for none. */
  readonly promotions?: Promotions;
  /** `name@version` that a stable name stands for. Default: as `promotions` say. */
  readonly stableModel?: (name: string) => string | undefined | Promise<string | undefined>;
  /** Hears the hashes of the models that jobs use here, whenever they change. */
  readonly onJobUse?: (hashes: readonly string[]) => void;
  /** Hears how many calls use models here, whenever that changes. */
  readonly onCalls?: (count: number) => void;
  /** A job elsewhere that uses a model, by the hash of the model. */
  readonly jobElsewhere?: (hash: string) => string | undefined;
  /** Loads what jobs made back before it gets its name. Absent: results are trusted. */
  readonly check?: ResultCheck;
  /** Bytes that models may take together, with what is made for them; those that nobody uses are unloaded for others. @default no limit */
  readonly memoryBytes?: number;
}

/** What a job stored. */
export interface SavedModel {
  readonly model: ModelRecord;
  readonly verification?: Verification;
}

/** The right to use a loaded model until `release`. */
export class ModelLease {
  /** The job that holds it; empty for a call. */
  readonly jobId: string;
  readonly #resident: ResidentModel;
  readonly #engine: Engine;
  readonly #makeRoom: (bytes: number) => Promise<() => void>;
  readonly #onRelease: (lease: ModelLease) => void;
  #isReleased = false;

  /** @param makeRoom - unloads others until so many bytes fit, and keeps them free until the answer is called */
  constructor(
    resident: ResidentModel,
    jobId: string,
    engine: Engine,
    makeRoom: (bytes: number) => Promise<() => void>,
    onRelease: (lease: ModelLease) => void,
  ) {
    this.#resident = resident;
    this.jobId = jobId;
    this.#engine = engine;
    this.#makeRoom = makeRoom;
    this.#onRelease = onRelease;
  }

  get model(): Model {
    return this.#resident.artefact.model;
  }

  get version(): ArtefactVersion {
    return this.#resident.artefact.version;
  }

  /** `name@version` */
  get reference(): string {
    return `${this.version.name}@${this.version.version}`;
  }

  get artefact(): StoredArtefact {
    return this.#resident.artefact;
  }

  get tokenizer(): Tokenizer {
    return this.#resident.tokenizer;
  }

  /** Of the sources of an encoder-decoder; the model's only one where it has no other. */
  get sourceTokenizer(): Tokenizer {
    return this.#resident.sourceTokenizer;
  }

  /**
   * Weights on the device, once for all users of the model: calls that score, and trainings that learn from it. They are only read, and in the form that
   * graphs take as inputs. Models that are generated with or embed hold another form beside them, packed for the kernels.
   */
  async weights(): Promise<Readonly<Record<string, DeviceBuffer>>> {
    return this.resource('weights', async () => {
      const buffers = borrowModel(this.#engine, this.model);
      const all = Object.values(buffers);
      return {
        value: buffers,
        // Borrowed ones are the model's own tensors, which are counted with it.
        residentBytes: all.reduce((sum, { sizeBytes, isBorrowed }) => sum + (isBorrowed ? 0 : sizeBytes), 0),
        release: () => {
          for (const buffer of all) buffer.release();
        },
      };
    });
  }

  /**
   * What `make` made for this model the first time; it lives until the model is unloaded. Equal keys must mean equal types.
   *
   * @param bytes - about what it will hold: models that nobody uses leave for it
   * @throws AppError `insufficient_memory`
   */
  async resource<Value>(key: string, make: () => Promise<ModelResource<Value>>, bytes = 0): Promise<Value> {
    invariant(!this.#isReleased, 'a lease is not used after its release');
    const { resources, held } = this.#resident;
    let resource = resources.get(key) as Promise<ModelResource<Value>> | undefined;
    if (resource === undefined) {
      resource = bytes === 0 ? make() : this.#makeWithin(bytes, make);
      resources.set(key, resource);
      // A failure is not remembered: the next caller tries again.
      resource.then(
        (ready) => held.add(ready),
        () => resources.delete(key),
      );
    }
    return (await resource).value;
  }

  async #makeWithin<Value>(bytes: number, make: () => Promise<ModelResource<Value>>): Promise<ModelResource<Value>> {
    const made = await this.#makeRoom(bytes);
    try {
      return await make();
    } finally {
      made();
    }
  }

  /** Safe to call twice. */
  release(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    this.#onRelease(this);
  }
}

/** Models by content: two names of one content share the memory. */
export class ModelHub {
  readonly #store: LocalStore;
  readonly #engine: Engine;
  readonly #ledger: ModelNotes;
  readonly #promotions: Promotions | undefined;
  readonly #stableModel: NonNullable<ModelHubOptions['stableModel']>;
  readonly #onJobUse: NonNullable<ModelHubOptions['onJobUse']>;
  readonly #onCalls: NonNullable<ModelHubOptions['onCalls']>;
  readonly #jobElsewhere: NonNullable<ModelHubOptions['jobElsewhere']>;
  readonly #check: ResultCheck | undefined;
  readonly #resident = new Map<string, Promise<ResidentModel>>();
  /** Those that are loaded; `#resident` also has those on their way. */
  readonly #loaded = new Map<string, ResidentModel>();
  /** Those that wait for their last users. */
  readonly #leaving = new Set<ResidentModel>();
  readonly #memoryBytes: number;
  /** Bytes of what is being loaded or made. */
  readonly #coming = new Map<symbol, number>();
  #time = 0;
  #calls = 0;

  constructor(options: ModelHubOptions) {
    const { store, engine, ledger, promotions, check, memoryBytes = Number.POSITIVE_INFINITY } = options;
    const {
      stableModel = (name) => promotions?.current(name)?.model,
      onJobUse = () => {},
      onCalls = () => {},
      jobElsewhere = () => undefined,
    } = options;
    this.#stableModel = stableModel;
    this.#onJobUse = onJobUse;
    this.#onCalls = onCalls;
    this.#jobElsewhere = jobElsewhere;
    this.#memoryBytes = memoryBytes;
    this.#promotions = promotions;
    this.#store = store;
    this.#engine = engine;
    this.#ledger = ledger;
    this.#check = check;
  }

  /** Models that are in memory now, and what they hold. */
  get resident(): readonly { readonly name: string; readonly bytes: number }[] {
    return [...this.#loaded.values(), ...this.#leaving].map((resident) => ({
      name: resident.artefact.version.name,
      bytes: residentBytes(resident),
    }));
  }

  /** Newest version of every name, by name. */
  async list(): Promise<readonly ModelRecord[]> {
    const newest = new Map<string, ArtefactVersion>();
    for (const version of (await this.#store.list()).versions) newest.set(version.name, version);
    const records: ModelRecord[] = [];
    for (const version of newest.values()) records.push({ ...(await this.#record(version)), parameters: [] });
    return records;
  }

  /** @throws AppError `bad_name` | `model_not_found` | `bad_artefact` */
  async get(reference: string): Promise<ModelRecord> {
    return this.#record(await this.#resolve(reference));
  }

  /** Whether a name has a version. @throws AppError `bad_name` | `bad_artefact` */
  async has(name: string): Promise<boolean> {
    try {
      await this.#resolve(name);
      return true;
    } catch (error) {
      if (error instanceof AppError && error.code === 'model_not_found') return false;
      throw error;
    }
  }

  /**
   * Loads a model, unless it is, and keeps its memory until the lease is released. Nobody waits here for others to be done with it, so that whoever
   * holds a model may ask for it again.
   *
   * @param jobId - of the job that holds it; empty for a call, which ends soon
   * @throws AppError `insufficient_memory` when it does not fit beside those in use, and as `get`
   */
  async acquire(reference: string, jobId = ''): Promise<ModelLease> {
    const version = await this.#resolve(reference);
    for (;;) {
      const resident = await this.#load(version);
      // Given back between its loading and now.
      if (this.#loaded.get(version.hash) !== resident) continue;
      const makeRoom = (bytes: number): Promise<() => void> => this.#makeRoom(version.name, bytes);
      const lease = new ModelLease(resident, jobId, this.#engine, makeRoom, (released) => {
        resident.leases.delete(released);
        this.#touch(resident);
        this.#sayUse(jobId, -1);
        if (resident.leases.size === 0) for (const resolve of resident.idle.splice(0)) resolve();
      });
      resident.leases.add(lease);
      this.#touch(resident);
      this.#sayUse(jobId, 1);
      return lease;
    }
  }

  /** Runs `work` of a call with a model and releases it whatever happens. */
  using<Result>(reference: string, work: (lease: ModelLease) => Promise<Result>): Promise<Result> {
    return this.usingFor('', reference, work);
  }

  /** The same for a job, which may take long: meanwhile the model is neither unloaded nor deleted. */
  async usingFor<Result>(jobId: string, reference: string, work: (lease: ModelLease) => Promise<Result>): Promise<Result> {
    const lease = await this.acquire(reference, jobId);
    try {
      return await work(lease);
    } finally {
      lease.release();
    }
  }

  async load(reference: string): Promise<ModelRecord> {
    (await this.acquire(reference)).release();
    return this.get(reference);
  }

  /**
   * Gives the memory of a model back once the calls that use it have ended; calls that come meanwhile load it anew. Answers the bytes.
   *
   * @throws AppError `wrong_state` while a job uses it, and as `get`
   */
  async unload(reference: string): Promise<number> {
    const { hash } = await this.#resolve(reference);
    await this.#resident.get(hash);
    this.#checkNoJobUses(hash, reference);
    return this.#leave(hash);
  }

  /** Deletes a name or one version, unloading what goes. @throws AppError `name_taken` | `wrong_state` while a job writes or uses it, and as `get` */
  async delete(reference: string): Promise<void> {
    const { name, version } = parseReference(reference);
    this.#checkNotServed(name, version);
    const going = (await this.#store.list()).versions.filter(
      (one) => one.name === name && (version === undefined || one.version === version),
    );
    for (const { hash } of going) this.#checkNoJobUses(hash, reference, this.#jobElsewhere(hash));
    await this.#store.deleteArtefact(reference);
    const left = new Set((await this.#store.list()).versions.map(({ hash }) => hash));
    for (const { hash } of going) if (!left.has(hash)) await this.#leave(hash);
  }

  /**
   * Stores what a job made, once a fresh process has loaded it and computed the same.
   *
   * @throws AppError `verification_failed` and those of `LocalStore.saveArtefact`; nothing is kept then
   */
  async save(name: string, content: ArtefactContent, jobId: string, context: OperationContext): Promise<SavedModel> {
    if ((await this.#stableModel(name)) !== undefined)
      throw new AppError('name_taken', `name "${name}": is a stable name, to which models are promoted. Choose another name.`, {
        details: { name },
      });
    const pending = this.#check?.begin(content.model);
    try {
      let verification: Verification | undefined;
      const verify = async (folder: string, hash: string): Promise<void> => {
        verification = await pending?.compare(folder, hash, context);
      };
      const version = await this.#store.saveArtefact(name, content, { ...context, verify });
      await this.#ledger.saveFacts(version.hash, modelFacts(content.model, content.meta, makeTokenizer(content).hash));
      await this.#ledger.saveJob(version.hash, jobId);
      const model = { ...(await this.#record(version)), parameters: [] };
      return { model, ...(verification === undefined ? {} : { verification }) };
    } finally {
      pending?.end();
    }
  }

  /**
   * Lets a stable name stand for a version whose newest evaluation meets the thresholds of the name. Calls that are under way end with the old one.
   *
   * @param thresholds - in place of those that the name has; a new name needs some
   * @throws AppError `not_promoted` | `invalid_argument` | `name_taken` for the name of a model | `bad_name` | `model_not_found`
   */
  async promote(alias: string, reference: string, thresholds: Thresholds | undefined, principal: string): Promise<Promotion> {
    const promotions = this.#stableNames();
    checkName(alias);
    const known = promotions.current(alias);
    if (known === undefined && (await this.has(alias)))
      throw new AppError('name_taken', `name "${alias}": a model has it. Choose a stable name that no model has.`, {
        details: { name: alias },
      });
    const wanted = thresholds ?? known?.thresholds ?? {};
    if (Object.keys(wanted).length === 0)
      throw new AppError(
        'invalid_argument',
        `thresholds: the stable name "${alias}" needs at least one, so that no ruined model is served under it.`,
        {
          details: { field: 'thresholds' },
        },
      );
    const { name, version, hash } = await this.#resolve(reference);
    const model = `${name}@${version}`;
    const figures = holdAgainst(model, (await this.#ledger.entry(hash)).evaluation, wanted);
    return promotions.add({ alias, model, hash, thresholds: wanted, figures, rollbackTo: 0, principal });
  }

  /**
   * Lets a stable name stand for what it stood for earlier.
   *
   * @param to - sequence number of that promotion; 0 for the newest of another version
   * @throws AppError `model_not_found` for an unknown name or promotion, or one whose version is gone | `wrong_state` when there is none earlier
   */
  async rollBack(alias: string, to: number, principal: string): Promise<Promotion> {
    const promotions = this.#stableNames();
    const history = promotions.history(alias);
    const [current] = history;
    if (current === undefined) throw new AppError('model_not_found', `"${alias}": no stable name. List the promotions to see them.`);
    const target = history.find(({ sequence, hash }) => (to === 0 ? hash !== current.hash : sequence === to));
    if (target === undefined)
      throw to === 0
        ? new AppError('wrong_state', `"${alias}": has stood for ${current.model} alone; there is nothing to go back to.`)
        : new AppError('model_not_found', `"${alias}": has no promotion ${to}; the newest is ${current.sequence}.`);
    const { hash } = await this.#store.resolve(target.model);
    if (hash !== target.hash) throw new AppError('model_not_found', `"${alias}": ${target.model} is not what it was when it was promoted.`);
    const { model, thresholds, figures, sequence } = target;
    return promotions.add({ alias, model, hash, thresholds, figures, rollbackTo: sequence, principal });
  }

  /** What a stable name stood for, newest first; of all names what they stand for now, when none is given. */
  promotions(alias: string): readonly Promotion[] {
    return alias === '' ? this.#stableNames().all() : this.#stableNames().history(alias);
  }

  #stableNames(): Promotions {
    if (this.#promotions === undefined) throw new AppError('unsupported', 'this server keeps no stable names.');
    return this.#promotions;
  }

  /** @throws AppError `wrong_state` */
  #checkNotServed(name: string, version: number | undefined): void {
    const served = this.#promotions
      ?.all()
      .find(({ model }) => (version === undefined ? model.startsWith(`${name}@`) : model === `${name}@${version}`));
    if (served !== undefined)
      throw new AppError(
        'wrong_state',
        `${served.model}: is served as "${served.alias}". Promote another model or roll the name back first.`,
        {
          details: { alias: served.alias },
        },
      );
  }

  /** @throws AppError `wrong_state` */
  #checkNoJobUses(hash: string, reference: string, elsewhere?: string): void {
    const jobId = this.#jobsUsing(hash)[0] ?? elsewhere;
    if (jobId === undefined) return;
    throw new AppError('wrong_state', `model "${reference}": job ${jobId} uses it. Wait for its end, or cancel it.`, {
      details: { jobId },
    });
  }

  /** Jobs that use a model here. */
  #jobsUsing(hash: string): readonly string[] {
    return [...(this.#loaded.get(hash)?.leases ?? [])].map(({ jobId }) => jobId).filter((jobId) => jobId !== '');
  }

  #sayUse(jobId: string, change: 1 | -1): void {
    if (jobId === '') {
      this.#calls += change;
      this.#onCalls(this.#calls);
      return;
    }
    this.#onJobUse([...this.#loaded.keys()].filter((hash) => this.#jobsUsing(hash).length > 0));
  }

  /** A model's version, or the one that a stable name stands for. */
  async #resolve(reference: string): Promise<ArtefactVersion> {
    const { name, version } = parseReference(reference);
    const promoted = version === undefined ? await this.#stableModel(name) : undefined;
    return this.#store.resolve(promoted ?? reference);
  }

  /** Unloads everything. */
  async dispose(): Promise<void> {
    await Promise.all([...this.#loaded.keys()].map((hash) => this.#leave(hash)));
  }

  #load(version: ArtefactVersion): Promise<ResidentModel> {
    const known = this.#resident.get(version.hash);
    if (known !== undefined) return known;
    const loading = this.#readWithin(version);
    this.#resident.set(version.hash, loading);
    loading.catch(() => this.#resident.delete(version.hash));
    return loading;
  }

  /** Within the memory that models may take. */
  async #readWithin(version: ArtefactVersion): Promise<ResidentModel> {
    const { storedBytes } = Number.isFinite(this.#memoryBytes) ? await this.#facts(version) : { storedBytes: 0 };
    const loaded = await this.#makeRoom(version.name, storedBytes);
    try {
      const resident = await this.#read(version);
      this.#loaded.set(version.hash, resident);
      return resident;
    } finally {
      loaded();
    }
  }

  /** Unloads what nobody uses until so many bytes fit. The answer ends that they are kept free. */
  async #makeRoom(name: string, neededBytes: number): Promise<() => void> {
    const users: MemoryUser[] = [...this.#loaded].map(([key, resident]) => ({
      key,
      bytes: residentBytes(resident),
      isUsed: resident.leases.size > 0,
      lastUsed: resident.lastUsed,
    }));
    const staying = [...this.#coming.values(), ...[...this.#leaving].map(residentBytes)];
    users.push(...staying.map((bytes) => ({ key: '', bytes, isUsed: true, lastUsed: 0 })));
    const leaving = makeRoom({ name, neededBytes, budgetBytes: this.#memoryBytes, users });
    const place = Symbol(name);
    this.#coming.set(place, neededBytes);
    await Promise.all(leaving.map((hash) => this.#leave(hash)));
    return () => this.#coming.delete(place);
  }

  /** Lets nobody else have this copy, and releases it when those who have it are done. Answers its bytes; 0 when there is none. */
  async #leave(hash: string): Promise<number> {
    const resident = this.#loaded.get(hash);
    if (resident === undefined) return 0;
    this.#resident.delete(hash);
    this.#loaded.delete(hash);
    this.#leaving.add(resident);
    try {
      if (resident.leases.size > 0) await new Promise<void>((resolve) => resident.idle.push(resolve));
      const freed = residentBytes(resident);
      // What was made last may lean on what was made first.
      for (const resource of [...resident.resources.values()].reverse()) await (await resource).release();
      return freed;
    } finally {
      this.#leaving.delete(resident);
    }
  }

  #touch(resident: ResidentModel): void {
    this.#time += 1;
    resident.lastUsed = this.#time;
  }

  async #read({ name, version, hash }: ArtefactVersion): Promise<ResidentModel> {
    const artefact = await this.#store.loadArtefact(`${name}@${version}`);
    const tokenizer = makeTokenizer(artefact);
    const sourceTokenizer = makeSourceTokenizer(artefact) ?? tokenizer;
    if ((await this.#ledger.entry(hash)).facts === undefined)
      await this.#ledger.saveFacts(hash, modelFacts(artefact.model, artefact.meta, tokenizer.hash));
    const tensors = new Set([...artefact.model.parameters.values()].flatMap((parameter) => Object.values(parameter.tensors)));
    const modelBytes = [...tensors].reduce((sum, tensor) => sum + tensorBytes(tensor), 0);
    return {
      artefact,
      tokenizer,
      sourceTokenizer,
      modelBytes,
      resources: new Map(),
      held: new Set(),
      leases: new Set(),
      lastUsed: 0,
      idle: [],
    };
  }

  async #record(version: ArtefactVersion): Promise<ModelRecord> {
    const { name, hash } = version;
    const facts = await this.#facts(version);
    const { evaluation, jobId } = await this.#ledger.entry(hash);
    const resident = this.#loaded.get(hash);
    return {
      ...facts,
      lineage: { ...facts.lineage, jobId },
      name,
      version: version.version,
      hash,
      createdMs: Date.parse(version.created),
      loaded: resident !== undefined,
      residentBytes: resident === undefined ? 0 : residentBytes(resident),
      ...(evaluation === undefined ? {} : { evaluation }),
    };
  }

  /** From the ledger, or from the model where a store came without one. */
  async #facts(version: ArtefactVersion): Promise<ModelFacts> {
    const { facts: known } = await this.#ledger.entry(version.hash);
    if (known !== undefined) return known;
    await this.#read(version);
    const { facts } = await this.#ledger.entry(version.hash);
    invariant(facts !== undefined, 'reading a model writes its facts');
    return facts;
  }
}

function residentBytes({ modelBytes, held }: ResidentModel): number {
  return [...held].reduce((sum, resource) => sum + resource.residentBytes, modelBytes);
}

/** @throws AppError `bad_tokenizer` */
function makeTokenizer({ tokenizerFiles }: Pick<ArtefactContent, 'tokenizerFiles'>): Tokenizer {
  const textOf = (name: string): string | undefined => {
    const bytes = tokenizerFiles.get(name);
    return bytes === undefined ? undefined : new TextDecoder().decode(bytes);
  };
  const [tokenizerJson, tokenizerConfig, chatTemplate] = ['tokenizer.json', 'tokenizer_config.json', 'chat_template.jinja'].map(textOf);
  if (tokenizerJson === undefined)
    throw new AppError('bad_tokenizer', 'tokenizer.json: the model has none. Import it again with its tokenizer.');
  return loadTokenizer({
    tokenizerJson,
    ...(tokenizerConfig === undefined ? {} : { tokenizerConfig }),
    ...(chatTemplate === undefined ? {} : { chatTemplate }),
  });
}

/** @throws AppError `bad_tokenizer` */
function makeSourceTokenizer({ tokenizerFiles }: Pick<ArtefactContent, 'tokenizerFiles'>): Tokenizer | undefined {
  const bytes = tokenizerFiles.get('source_tokenizer.json');
  return bytes === undefined ? undefined : loadTokenizer({ tokenizerJson: new TextDecoder().decode(bytes) });
}
