// ModelStreamInfer: many requests over one stream, answered side by side.
import { AppError, invariant } from '#base';
import type { BidiCallContext } from '../calls.ts';
import type { ModelInferRequest__Output } from '../gen/inference/ModelInferRequest.ts';
import type { ModelStreamInferResponse } from '../gen/inference/ModelStreamInferResponse.ts';
import { toStatus } from '../status.ts';
import { type Preparation, type PreparedRequest, responseMessage } from './infer.ts';
import { chosenOutputs } from './request.ts';
import type { Answer, ServedModel } from './served-model.ts';

/** Requests of one stream that are answered at the same time; more wait in the client. */
const mostInFlight = 64;

/** With this metadata the first error ends the stream as a status instead of being a message. */
const statusErrors = 'triton_grpc_error';

const finalResponse = 'triton_final_response';

type Send = (response: ModelStreamInferResponse) => Promise<void>;

/** @throws AppError of the first failed request where the client wants statuses */
export async function streamInfer(
  preparation: Preparation,
  requests: AsyncIterable<ModelInferRequest__Output>,
  send: Send,
  { signal, metadata }: BidiCallContext,
): Promise<void> {
  const endsWithError = metadata.get(statusErrors).includes('true');
  const stop = new AbortController();
  const stream = new RequestStream(preparation, send, AbortSignal.any([signal, stop.signal]), endsWithError);
  try {
    const arriving = requests[Symbol.asyncIterator]();
    for (;;) {
      const next = await Promise.race([arriving.next(), stream.failure]);
      if (next.done === true) break;
      await stream.take(next.value);
    }
    await stream.settled();
  } finally {
    stop.abort();
  }
}

class RequestStream {
  readonly #preparation: Preparation;
  readonly #send: Send;
  readonly #signal: AbortSignal;
  readonly #endsWithError: boolean;
  readonly #inFlight = new Set<Promise<void>>();
  /** Settles once the request before has sent all that must come before the next one's answer. */
  #before: Promise<void> = Promise.resolve();
  #fail: (error: unknown) => void = () => {};
  /** Rejects with the first error of a stream that ends with it. */
  readonly failure: Promise<never> = new Promise((_, reject) => {
    this.#fail = reject;
  });

  constructor(preparation: Preparation, send: Send, signal: AbortSignal, endsWithError: boolean) {
    this.#preparation = preparation;
    this.#send = send;
    this.#signal = signal;
    this.#endsWithError = endsWithError;
    this.failure.catch(() => {}); // nobody may be waiting for it
  }

  /** Starts a request; waits while too many are on their way. */
  async take(message: ModelInferRequest__Output): Promise<void> {
    let release = (): void => {};
    const before = this.#before;
    this.#before = new Promise((resolve) => {
      release = resolve;
    });
    const work: Promise<void> = this.#answer(message, before, release).finally(() => {
      release();
      this.#inFlight.delete(work);
    });
    this.#inFlight.add(work);
    if (this.#inFlight.size >= mostInFlight) await Promise.race([...this.#inFlight, this.failure]);
  }

  async settled(): Promise<void> {
    await Promise.race([Promise.all(this.#inFlight), this.failure]);
  }

  async #answer(message: ModelInferRequest__Output, before: Promise<void>, release: () => void): Promise<void> {
    try {
      const prepared = await this.#preparation.prepare(message, performance.now());
      const { stream } = prepared.model;
      if (stream === undefined) await this.#answerOnce(message.id, prepared, before);
      else {
        // Its answers may come between those of others.
        void before.then(release);
        await this.#answerInPieces(message.id, prepared, stream);
      }
    } catch (error) {
      if (this.#signal.aborted) return;
      if (this.#endsWithError) {
        this.#fail(error);
        return;
      }
      await before;
      const { details } = toStatus(error);
      const { modelName, modelVersion, id } = message;
      const parameters = { [finalResponse]: { boolParam: true } };
      await this.#send({ errorMessage: details, inferResponse: { modelName, modelVersion, id, parameters } });
    }
  }

  /** One answer, in the order of the requests. */
  async #answerOnce(id: string, prepared: PreparedRequest, before: Promise<void>): Promise<void> {
    const { model, request } = prepared;
    const answers = async function* (signal: AbortSignal): AsyncGenerator<Answer> {
      const answer = await model.infer(request, signal);
      await before;
      yield answer;
    };
    await this.#sendAll(id, prepared, answers(this.#signal));
  }

  async #answerInPieces(id: string, prepared: PreparedRequest, stream: NonNullable<ServedModel['stream']>): Promise<void> {
    await this.#sendAll(id, prepared, stream(prepared.request, this.#signal));
  }

  async #sendAll(id: string, prepared: PreparedRequest, answers: AsyncIterable<Answer>): Promise<void> {
    const { model, counts, wanted, wantsEmptyFinal, beganMs, readMs, inputMs } = prepared;
    let index = 0;
    let [sinceMs, inferMs, outputMs] = [readMs, 0, 0];
    let last: Answer | undefined;
    try {
      for await (const answer of answers) {
        if (this.#signal.aborted) throw new AppError('cancelled', 'the client left.');
        const answeredMs = performance.now();
        const isLast = answer.isLast === true;
        // A last piece without text is only the end: who asked for an empty last answer gets one.
        const isEmpty = isLast && wantsEmptyFinal && answer.isEmpty === true;
        const outputs = isEmpty ? [] : chosenOutputs(answer.outputs, wanted);
        await this.#send({ inferResponse: responseMessage(model, id, outputs, { ...answer.parameters, [finalResponse]: isLast }) });
        const sentMs = performance.now();
        inferMs += answeredMs - sinceMs;
        outputMs += sentMs - answeredMs;
        if (model.stream !== undefined) counts.responded(index, isEmpty ? 'empty' : 'success', answeredMs - sinceMs, sentMs - answeredMs);
        index++;
        sinceMs = sentMs;
        if (isLast) last = answer;
      }
      invariant(last !== undefined, 'a model marks its last answer');
      const phases = { inputMs, queueMs: last.queueMs ?? 0, inferMs, outputMs };
      counts.succeeded(sinceMs - beganMs, last.runs ?? [], phases);
    } catch (error) {
      const nowMs = performance.now();
      counts.failed(nowMs - beganMs);
      if (model.stream !== undefined) counts.responded(index, this.#signal.aborted ? 'cancel' : 'fail', nowMs - sinceMs, 0);
      throw error;
    }
  }
}
