// ModelInfer: one request, one answer, with its times.
import type { ModelInferRequest__Output } from '../gen/inference/ModelInferRequest.ts';
import type { ModelInferResponse } from '../gen/inference/ModelInferResponse.ts';
import { type ParameterValue, parameterMessage, readParameters } from './parameters.ts';
import { checkRequest, chosenOutputs, wantedOutputs } from './request.ts';
import type { Answer, CheckedRequest, OutputTensor, ServedModel } from './served-model.ts';
import type { ServedModels } from './served-models.ts';
import type { ModelCounts, StatisticsBook } from './statistics.ts';

/** A request that its model can take. */
export interface PreparedRequest {
  readonly model: ServedModel;
  readonly counts: ModelCounts;
  readonly request: CheckedRequest;
  readonly wanted: readonly string[];
  readonly wantsEmptyFinal: boolean;
  /** When it came, when its tensors were read, and how long that took: finding a model may mean loading it. */
  readonly beganMs: number;
  readonly readMs: number;
  readonly inputMs: number;
}

/** Requests by way of their checks; what is refused counts for its model. */
export class Preparation {
  readonly #models: ServedModels;
  readonly #book: StatisticsBook;

  constructor(models: ServedModels, book: StatisticsBook) {
    this.#models = models;
    this.#book = book;
  }

  /** @throws AppError `model_not_found` | `model_not_ready` | `invalid_argument` | `unsupported` */
  async prepare(message: ModelInferRequest__Output, beganMs: number): Promise<PreparedRequest> {
    const model = await this.#models.find(message.modelName, message.modelVersion);
    const counts = this.#book.of(model);
    try {
      const foundMs = performance.now();
      const parameters = readParameters(message.parameters);
      const wanted = wantedOutputs(message, model);
      const request = checkRequest(message, model, parameters);
      const readMs = performance.now();
      return { model, counts, request, wanted, wantsEmptyFinal: parameters.wantsEmptyFinal, beganMs, readMs, inputMs: readMs - foundMs };
    } catch (error) {
      counts.failed(performance.now() - beganMs);
      throw error;
    }
  }
}

export async function infer(
  preparation: Preparation,
  message: ModelInferRequest__Output,
  signal: AbortSignal,
): Promise<ModelInferResponse> {
  const prepared = await preparation.prepare(message, performance.now());
  const { model, counts, request, wanted, beganMs, readMs, inputMs } = prepared;
  let answer: Answer;
  try {
    answer = await model.infer(request, signal);
  } catch (error) {
    counts.failed(performance.now() - beganMs);
    throw error;
  }
  const answeredMs = performance.now();
  const response = responseMessage(model, message.id, chosenOutputs(answer.outputs, wanted), answer.parameters);
  const endMs = performance.now();
  const phases = { inputMs, queueMs: answer.queueMs ?? 0, inferMs: answeredMs - readMs, outputMs: endMs - answeredMs };
  counts.succeeded(endMs - beganMs, answer.runs ?? [], phases);
  return response;
}

/** Elements are always raw: clients read nothing else. */
export function responseMessage(
  { name, version }: ServedModel,
  id: string,
  outputs: readonly OutputTensor[],
  parameters: Readonly<Record<string, ParameterValue>> = {},
): ModelInferResponse {
  return {
    modelName: name,
    modelVersion: version,
    id,
    outputs: outputs.map((output) => ({ name: output.name, datatype: output.datatype, shape: [...output.shape] })),
    rawOutputContents: outputs.map(({ bytes }) => bytes),
    parameters: Object.fromEntries(Object.entries(parameters).map(([key, value]) => [key, parameterMessage(value)])),
  };
}
