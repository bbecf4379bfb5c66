// grpc.health.v1: the server, its services, and every model under `model/NAME`.
import { AppError } from '#base';
import type { CallContext, CallGate } from './calls.ts';
import type { HealthHandlers } from './gen/grpc/health/v1/Health.ts';
import type { HealthCheckResponse } from './gen/grpc/health/v1/HealthCheckResponse.ts';
import type { ModelCatalogue } from './services/model-service.ts';

type Status = 'SERVING' | 'NOT_SERVING';

const modelPrefix = 'model/';

/** A longer list is refused, as the protocol suggests. */
const longestList = 100;

/** How often a watched model is looked at: it may come into memory and leave it in many ways. */
const lookEveryMs = 500;

/** All services have the state of the server. A model is SERVING while it is in memory. */
export class Health {
  readonly #names: ReadonlySet<string>;
  readonly #models: ModelCatalogue;
  readonly #lookEveryMs: number;
  #isServing = true;
  /** Called when the server's state changes. */
  readonly #watchers = new Set<() => void>();

  /** @param names - full names of the services; the server itself is always among them */
  constructor(names: readonly string[], models: ModelCatalogue, everyMs: number = lookEveryMs) {
    this.#names = new Set(['', ...names]);
    this.#models = models;
    this.#lookEveryMs = everyMs;
  }

  get isServing(): boolean {
    return this.#isServing;
  }

  /** From now on everything is NOT_SERVING. */
  leave(): void {
    this.#isServing = false;
    for (const look of [...this.#watchers]) look();
  }

  /** @param gate - one that lets calls in while the server stops */
  handlers(gate: CallGate): HealthHandlers {
    return {
      Check: gate.unary(async ({ service }) => {
        const status = await this.#statusOf(service);
        if (status === undefined) throw new AppError('service_not_found', `${JSON.stringify(service.slice(0, 200))}: is not served here.`);
        return { status };
      }),
      List: gate.unary(async () => ({ statuses: await this.#list() })),
      Watch: gate.serverStream(({ service }, context) => this.#watch(service, context)),
    };
  }

  /** Undefined where there is no service and no model of the name. */
  async #statusOf(service: string): Promise<Status | undefined> {
    const own: Status = this.#isServing ? 'SERVING' : 'NOT_SERVING';
    if (this.#names.has(service)) return own;
    if (!service.startsWith(modelPrefix)) return undefined;
    try {
      const { loaded } = await this.#models.get(service.slice(modelPrefix.length));
      return loaded ? own : 'NOT_SERVING';
    } catch (error) {
      if (error instanceof AppError && (error.code === 'model_not_found' || error.code === 'bad_name')) return undefined;
      throw error;
    }
  }

  async #list(): Promise<Record<string, HealthCheckResponse>> {
    const own: Status = this.#isServing ? 'SERVING' : 'NOT_SERVING';
    const models = await this.#models.list();
    if (this.#names.size + models.length > longestList)
      throw new AppError('list_too_long', `there are more than ${longestList} services and models to list. Check them by name.`);
    return Object.fromEntries([
      ...[...this.#names].map((name) => [name, { status: own }] as const),
      ...models.map(({ name, loaded }) => [`${modelPrefix}${name}`, { status: loaded ? own : ('NOT_SERVING' as const) }] as const),
    ]);
  }

  /** Ends when the client leaves or the server is gone; says nothing twice. */
  async *#watch(service: string, { signal }: CallContext): AsyncGenerator<HealthCheckResponse> {
    let last: string | undefined;
    while (!signal.aborted) {
      const changed = this.#nextLook(service, signal);
      const status = (await this.#statusOf(service)) ?? 'SERVICE_UNKNOWN';
      if (status !== last && !signal.aborted) yield { status };
      last = status;
      await changed;
    }
  }

  #nextLook(service: string, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const timer = service.startsWith(modelPrefix) ? setTimeout(() => done(), this.#lookEveryMs) : undefined;
      timer?.unref();
      const done = (): void => {
        clearTimeout(timer);
        this.#watchers.delete(done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      this.#watchers.add(done);
      signal.addEventListener('abort', done, { once: true });
    });
  }
}
