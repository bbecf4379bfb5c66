// The thread that TensorFlow works in: its calls do not return before their work is done, so that they would hold up a server.
import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { invariant } from '#base';
import { type Binding, loadBinding, type TensorId } from './binding.ts';
import { Cell, HeldTensor } from './cells.ts';
import { execute, failureOf, Stopped } from './execution.ts';
import { type Answer, type Report, type Request, type ResultPlace, signalIndex, type WorkerStart } from './messages.ts';
import type { Plan } from './plan.ts';
import { type CarriedTensor, carry, createTensor, createZeros, readBytes } from './tensor-bytes.ts';

interface LoadedPlan {
  readonly plan: Plan;
  readonly constants: readonly TensorId[];
  /** Why it cannot be run: nobody waits for a plan to be loaded. */
  readonly failure?: unknown;
}

/** A run that has its inputs, as they were when it was asked for, and waits for its turn. */
interface WaitingRun {
  readonly run: number;
  readonly plan: LoadedPlan;
  /** Emptied when the last op has read them. */
  readonly inputs: HeldTensor[];
  readonly fixed: readonly HeldTensor[];
  readonly results: readonly ResultPlace[];
  isCancelled: boolean;
}

class Host {
  readonly #binding: Binding;
  readonly #port: MessagePort;
  readonly #answers: MessagePort;
  readonly #signals: Int32Array;
  readonly #cells = new Map<number, Cell>();
  readonly #plans = new Map<number, LoadedPlan>();
  readonly #waiting: WaitingRun[] = [];
  #current: WaitingRun | undefined;
  #numReceived = 0;
  #isScheduled = false;

  constructor(binding: Binding, port: MessagePort, { answers, signals }: WorkerStart) {
    this.#binding = binding;
    this.#port = port;
    this.#answers = answers as MessagePort;
    this.#signals = new Int32Array(signals);
    port.on('message', (request: Request) => this.#receive(request));
  }

  #receive(request: Request): void {
    this.#numReceived = (this.#numReceived + 1) | 0;
    switch (request.kind) {
      case 'zeros':
        this.#change(request.cell, request, () => createZeros(this.#binding, request.dtype, request.shape));
        return;
      case 'write':
        this.#change(request.to.cell, request.to, () => createTensor(this.#binding, request.tensor));
        return;
      case 'drop':
        this.#cells.get(request.cell)?.free();
        this.#cells.delete(request.cell);
        return;
      case 'plan':
        this.#plans.set(request.plan, this.#load(request.steps));
        return;
      case 'dropPlan':
        for (const id of this.#plans.get(request.plan)?.constants ?? []) this.#binding.deleteTensor(id);
        this.#plans.delete(request.plan);
        return;
      case 'run':
        this.#enqueue(request);
        return;
      case 'cancel':
        this.#cancel(request.run);
        return;
      case 'read':
        this.#answer(() => this.#read(request.from));
        return;
      case 'countTensors':
        this.#answer(() => ({ kind: 'count', count: this.#binding.getNumOfTensors() }));
        return;
      case 'end':
        this.#port.close();
        this.#answers.close();
    }
  }

  /** Nobody waits for a change: if it fails, whoever uses the cell next is told. */
  #change(
    number: number,
    { dtype, shape, view }: Omit<ResultPlace, 'cell' | 'view'> & Partial<Pick<ResultPlace, 'view'>>,
    make: () => TensorId,
  ): void {
    const cell = this.#cells.get(number) ?? new Cell(this.#binding, dtype, shape);
    this.#cells.set(number, cell);
    try {
      cell.put(make(), view);
    } catch (error) {
      cell.fail(error);
    }
  }

  #load(plan: Plan): LoadedPlan {
    const constants: TensorId[] = [];
    try {
      for (const { tensor } of plan.constants) constants.push(createTensor(this.#binding, carry(tensor)));
      return { plan, constants };
    } catch (failure) {
      return { plan, constants, failure };
    }
  }

  #cell(number: number): Cell {
    const cell = this.#cells.get(number);
    invariant(cell !== undefined, `cell ${number} is held`);
    return cell;
  }

  #read({ cell: number, view }: { readonly cell: number; readonly view: ResultPlace['view'] }): Answer {
    const cell = this.#cell(number);
    const held = cell.take(view);
    try {
      return { kind: 'bytes', bytes: readBytes(this.#binding, held.id, cell.dtype, view?.shape ?? cell.shape) };
    } finally {
      held.letGo();
    }
  }

  #answer(make: () => Answer): void {
    let answer: Answer;
    try {
      answer = make();
    } catch (error) {
      answer = { kind: 'failed', failure: failureOf(error) };
    }
    this.#answers.postMessage(answer, answer.kind === 'bytes' ? [answer.bytes] : []);
    Atomics.add(this.#signals, signalIndex.answered, 1);
    Atomics.notify(this.#signals, signalIndex.answered);
  }

  #enqueue({ run, plan: number, inputs: given, results }: Extract<Request, { kind: 'run' }>): void {
    const plan = this.#plans.get(number);
    const [inputs, fixed]: [HeldTensor[], HeldTensor[]] = [[], []];
    try {
      invariant(plan !== undefined, `plan ${number} is loaded`);
      if (plan.failure !== undefined) throw plan.failure;
      for (const input of given) inputs.push('carrier' in input ? this.#carried(input) : this.#cell(input.cell).take(input.view));
      for (const { cell } of plan.plan.fixed) fixed.push(this.#cell(cell).take(undefined));
      this.#waiting.push({ run, plan, inputs, fixed, results, isCancelled: false });
      this.#schedule();
    } catch (error) {
      for (const held of [...inputs, ...fixed]) held.letGo();
      this.#report({ kind: 'done', run, failure: failureOf(error) });
    }
  }

  #cancel(number: number): void {
    if (this.#current?.run === number) this.#current.isCancelled = true;
    const index = this.#waiting.findIndex(({ run }) => run === number);
    const [run] = index < 0 ? [] : this.#waiting.splice(index, 1);
    if (run === undefined) return;
    for (const held of [...run.inputs, ...run.fixed]) held.letGo();
    this.#report({ kind: 'done', run: number, failure: failureOf(new Stopped()) });
  }

  #carried(tensor: CarriedTensor): HeldTensor {
    return new HeldTensor(this.#binding, createTensor(this.#binding, tensor));
  }

  /** A run a turn, so that what the event loop has to do between them is done. */
  #schedule(): void {
    if (this.#isScheduled || this.#waiting.length === 0) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      const run = this.#waiting.shift();
      if (run !== undefined) this.#carryOut(run);
      this.#schedule();
    });
  }

  #carryOut(run: WaitingRun): void {
    this.#current = run;
    const { plan, constants } = run.plan;
    const onStep = (): void => {
      this.#receiveWhatCame();
      if (run.isCancelled) throw new Stopped();
    };
    try {
      const made = execute(this.#binding, plan, constants, run.inputs, run.fixed, onStep);
      // Now, so that results are written where they lie.
      for (const held of run.inputs.splice(0)) held.letGo();
      this.#store(made, run.results);
      this.#report({ kind: 'done', run: run.run });
    } catch (error) {
      this.#report({ kind: 'done', run: run.run, failure: failureOf(error) });
    } finally {
      for (const held of [...run.inputs, ...run.fixed]) held.letGo();
      this.#current = undefined;
    }
  }

  #store(made: readonly TensorId[], places: readonly ResultPlace[]): void {
    let index = 0;
    try {
      for (; index < made.length; index++) {
        const place = places[index];
        const id = made[index];
        invariant(place !== undefined && id !== undefined, 'a run has a place for every result');
        const cell = this.#cells.get(place.cell) ?? new Cell(this.#binding, place.dtype, place.shape);
        this.#cells.set(place.cell, cell);
        cell.put(id, place.view);
      }
    } catch (error) {
      for (const id of made.slice(index + 1)) this.#binding.deleteTensor(id);
      throw error;
    }
  }

  /** Messages are not delivered while an op runs: they are fetched between ops. */
  #receiveWhatCame(): void {
    while (Atomics.load(this.#signals, signalIndex.sent) !== this.#numReceived) {
      const received = receiveMessageOnPort(this.#port);
      if (received === undefined) return;
      this.#receive(received.message as Request);
    }
  }

  #report(report: Report): void {
    this.#port.postMessage(report);
  }
}

function start(port: MessagePort, given: WorkerStart): void {
  const signals = new Int32Array(given.signals);
  process.once('exit', () => {
    Atomics.store(signals, signalIndex.ended, 1);
    Atomics.notify(signals, signalIndex.answered);
  });
  const report = (message: Report): void => port.postMessage(message);
  let binding: Binding;
  try {
    binding = loadBinding(given.bindingPath);
    report({ kind: 'ready', version: binding.TF_Version, isGpu: binding.isUsingGpuDevice() });
  } catch (error) {
    report({ kind: 'unusable', message: error instanceof Error ? error.message : String(error) });
    return;
  }
  new Host(binding, port, given);
}

invariant(parentPort !== null, 'the worker was started by an engine');
start(parentPort, workerData as WorkerStart);
