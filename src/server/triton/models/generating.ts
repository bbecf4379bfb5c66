// A generating model: texts in, their continuations out, whole or piece by piece.
import { AppError, at } from '#base';
import type { InferenceBackend, ModelDescription } from '#jobs';
import { defaultPriority, priorityLevels } from '../model-messages.ts';
import { packTexts, unpackTexts } from '../packing.ts';
import { type GenerationSettings, generationSettings, samplingObject } from '../sampling.ts';
import type { Answer, CheckedRequest, OutputTensor, ServedModel } from '../served-model.ts';
import { type ModelIdentity, maxTextBatch, onnxPlatform } from './identity.ts';

type Generate = InferenceBackend['generate'];

/** What is known of one continuation at one time. */
interface Piece {
  readonly text: string;
  /** Empty until it has ended. */
  readonly finishReason: string;
  readonly promptTokens: number;
  readonly generatedTokens: number;
  readonly queueMs: number;
}

/**
 * Inputs `text_input`, and as vLLM's backend has them `stream` and `sampling_parameters`; outputs `text_output`, `finish_reason`,
 * `num_input_tokens` and `num_output_tokens`.
 */
export function generatingModel(
  { name, version, reference }: ModelIdentity,
  description: ModelDescription,
  inference: InferenceBackend,
): ServedModel {
  const start = (prompt: string, request: CheckedRequest, signal: AbortSignal): ReturnType<Generate> =>
    inference.generate(reference, { ...settingsOf(request, name), prompt }, signal);
  const infer = async (request: CheckedRequest, signal: AbortSignal): Promise<Answer> => {
    const prompts = promptsOf(request);
    // One that fails takes the others with it.
    const stop = new AbortController();
    const both = AbortSignal.any([signal, stop.signal]);
    try {
      const pieces = await Promise.all(prompts.map((prompt) => wholePiece(start(prompt, request, both))));
      // They wait side by side: the longest wait is that of the request.
      const queueMs = Math.max(...pieces.map((piece) => piece.queueMs));
      return { outputs: outputsOf(pieces, request), runs: prompts.map(() => 1), queueMs, isLast: true };
    } finally {
      stop.abort();
    }
  };
  return {
    name,
    version,
    platform: onnxPlatform,
    maxBatchSize: maxTextBatch,
    inputs: [
      { name: 'text_input', datatype: 'BYTES', dims: [1] },
      { name: 'stream', datatype: 'BOOL', dims: [1], optional: true },
      { name: 'sampling_parameters', datatype: 'BYTES', dims: [1], optional: true },
    ],
    outputs: [
      { name: 'text_output', datatype: 'BYTES', dims: [1] },
      { name: 'finish_reason', datatype: 'BYTES', dims: [1] },
      { name: 'num_input_tokens', datatype: 'UINT32', dims: [1] },
      { name: 'num_output_tokens', datatype: 'UINT32', dims: [1] },
    ],
    facts: { context_tokens: String(description.contextTokens), vocabulary_size: String(description.vocabularySize) },
    isQueued: true,
    infer,
    async *stream(request, signal) {
      const prompts = promptsOf(request);
      const isWhole = request.inputs.get('stream')?.bytes[0] === 0;
      // Pieces of several texts could not be told apart.
      if (prompts.length > 1 || isWhole) yield await infer(request, signal);
      else yield* streamedPieces(start(at(prompts, 0), request, signal), request);
    },
  };
}

function promptsOf({ inputs }: CheckedRequest): string[] {
  return unpackTexts(inputs.get('text_input')?.bytes ?? new Uint8Array(), 'text_input');
}

function settingsOf({ inputs, parameters, priority, queueTimeoutMs }: CheckedRequest, model: string): GenerationSettings {
  const tensor = inputs.get('sampling_parameters');
  const [object] = tensor === undefined ? [] : unpackTexts(tensor.bytes, tensor.name);
  const settings = generationSettings(new Map([...(object === undefined ? [] : samplingObject(object)), ...parameters]), model);
  // A level that there is not is the default one, as in Triton. Ours of 0 is the default, and smaller ones are served first.
  const level = priority === undefined || priority > priorityLevels ? defaultPriority : priority;
  return {
    ...settings,
    ...(level === defaultPriority ? {} : { priority: level - defaultPriority }),
    ...(queueTimeoutMs === undefined ? {} : { queueTimeoutMs }),
  };
}

async function wholePiece(events: ReturnType<Generate>): Promise<Piece> {
  let text = '';
  for await (const event of events) {
    text += event.text;
    if (event.kind !== 'finished') continue;
    return lastPiece(event, text, event.usage.generatedTokens);
  }
  throw cancelled();
}

type Finished = Extract<Awaited<ReturnType<Generate> extends AsyncIterable<infer Event> ? Event : never>, { readonly kind: 'finished' }>;

function lastPiece({ reason, usage }: Finished, text: string, generatedTokens: number): Piece {
  if (reason === 'cancelled') throw cancelled();
  return { text, finishReason: reason, promptTokens: usage.promptTokens, generatedTokens, queueMs: usage.queueMs ?? 0 };
}

function cancelled(): AppError {
  return new AppError('cancelled', 'the generation was cancelled.');
}

/** What comes after the last text is its end: a last answer with what was held back, perhaps nothing. */
async function* streamedPieces(events: ReturnType<Generate>, request: CheckedRequest): AsyncGenerator<Answer> {
  let sent = 0;
  let pending = 0;
  for await (const event of events) {
    if (event.kind === 'finished') {
      const rest = lastPiece(event, event.text, event.usage.generatedTokens - sent);
      yield { outputs: outputsOf([rest], request), runs: [1], queueMs: rest.queueMs, isLast: true, isEmpty: event.text === '' };
      return;
    }
    // Tokens whose text is not complete yet are counted with the text that they become part of.
    if (event.kind === 'token') pending++;
    if (event.text === '') continue;
    yield { outputs: outputsOf([{ text: event.text, finishReason: '', promptTokens: 0, generatedTokens: pending, queueMs: 0 }], request) };
    sent += pending;
    pending = 0;
  }
  throw cancelled();
}

function outputsOf(pieces: readonly Piece[], { inputs }: CheckedRequest): OutputTensor[] {
  // In the form of the texts that came: [N] or [N, 1].
  const shape = inputs.get('text_input')?.shape ?? [pieces.length];
  const texts = (name: string, values: readonly string[]): OutputTensor => ({
    name,
    datatype: 'BYTES',
    shape,
    bytes: packTexts(values),
  });
  const counts = (name: string, values: readonly number[]): OutputTensor => {
    const bytes = Buffer.allocUnsafe(values.length * 4);
    for (const [index, value] of values.entries()) bytes.writeUInt32LE(value, index * 4);
    return { name, datatype: 'UINT32', shape, bytes };
  };
  return [
    texts(
      'text_output',
      pieces.map(({ text }) => text),
    ),
    texts(
      'finish_reason',
      pieces.map(({ finishReason }) => finishReason),
    ),
    counts(
      'num_input_tokens',
      pieces.map(({ promptTokens }) => promptTokens),
    ),
    counts(
      'num_output_tokens',
      pieces.map(({ generatedTokens }) => generatedTokens),
    ),
  ];
}
