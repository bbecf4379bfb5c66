// How a generating model samples, from the request parameters of the Open Inference Protocol.
import type { GenerationRequest } from '#jobs';
import { finiteNumber, flag, type ParameterValue, parameterRefusal, refuseUnknown, wholeNumber } from './parameters.ts';

/** A request without what it continues. */
export type GenerationSettings = Omit<GenerationRequest, 'prompt'>;

type Setting = (settings: GenerationSettings, value: ParameterValue, name: string) => GenerationSettings;

const request =
  <Field extends keyof GenerationSettings>(
    field: Field,
    read: (name: string, value: ParameterValue) => NonNullable<GenerationSettings[Field]>,
  ): Setting =>
  (settings, value, name) => ({ ...settings, [field]: read(name, value) });

const sampling =
  (
    field: Exclude<keyof NonNullable<GenerationSettings['sampling']>, 'logitBias'>,
    read: (name: string, value: ParameterValue) => number = finiteNumber,
  ): Setting =>
  (settings, value, name) => ({ ...settings, sampling: { ...settings.sampling, [field]: read(name, value) } });

/** By the names that clients of other servers use. Ranges are checked where the request is. */
const settings: Readonly<Record<string, Setting>> = {
  max_tokens: request('maxNewTokens', wholeNumber),
  max_new_tokens: request('maxNewTokens', wholeNumber),
  temperature: sampling('temperature'),
  top_k: sampling('topK', wholeNumber),
  top_p: sampling('topP'),
  min_p: sampling('minP'),
  repetition_penalty: sampling('repetitionPenalty'),
  frequency_penalty: sampling('frequencyPenalty'),
  presence_penalty: sampling('presencePenalty'),
  seed: sampling('seed', wholeNumber),
  min_tokens: request('minNewTokens', wholeNumber),
  stop: request('stop', textList),
  stop_token_ids: request('stopTokenIds', idList),
  ignore_eos: request('ignoreEnd', flag),
};

const samplingParameters: readonly string[] = Object.keys(settings);

/** @throws AppError `invalid_argument` */
export function generationSettings(parameters: ReadonlyMap<string, ParameterValue>, model: string): GenerationSettings {
  refuseUnknown(parameters, samplingParameters, model);
  let chosen: GenerationSettings = {};
  for (const [name, value] of parameters) chosen = settings[name]?.(chosen, value, name) ?? chosen;
  return chosen;
}

/** Parameters have no lists: one text stands for itself, several are a JSON array in a string. */
function textList(name: string, value: ParameterValue): string[] {
  const list = jsonList(name, value, 'a text or a JSON array of texts');
  return list.map((one) => {
    if (typeof one !== 'string') throw parameterRefusal(name, 'a text or a JSON array of texts', value);
    return one;
  });
}

function idList(name: string, value: ParameterValue): number[] {
  const rule = 'a JSON array of token ids';
  return jsonList(name, value, rule).map((one) => {
    if (typeof one !== 'number' || !Number.isInteger(one)) throw parameterRefusal(name, rule, value);
    return one;
  });
}

function jsonList(name: string, value: ParameterValue, rule: string): unknown[] {
  if (typeof value !== 'string' || value === '') throw parameterRefusal(name, rule, value);
  if (!value.startsWith('[')) return [value];
  try {
    const parsed: unknown = JSON.parse(value);
    return Array.isArray(parsed) ? parsed : [value];
  } catch {
    return [value]; // a text that begins with a bracket
  }
}

/**
 * The parameters in a `sampling_parameters` tensor, as clients of vLLM's backend send them: one JSON object.
 *
 * @throws AppError `invalid_argument`
 */
export function samplingObject(text: string): Map<string, ParameterValue> {
  const name = 'sampling_parameters';
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    throw parameterRefusal(name, 'a JSON object', text);
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) throw parameterRefusal(name, 'a JSON object', text);
  return new Map(
    Object.entries(parsed).map(([key, value]: [string, unknown]): [string, ParameterValue] => {
      if (Array.isArray(value)) return [key, JSON.stringify(value)];
      if (typeof value === 'boolean' || typeof value === 'number' || typeof value === 'string') return [key, value];
      throw parameterRefusal(`${name}.${key}`, 'a text, a number, true, false or a list', value);
    }),
  );
}
