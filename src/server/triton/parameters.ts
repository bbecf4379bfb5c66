// Values beside the tensors: those of the protocol, and those that choose how a model samples.
import { AppError } from '#base';
import type { InferParameter, InferParameter__Output } from '../gen/inference/InferParameter.ts';

export type ParameterValue = boolean | number | string;

type ParameterMap = Readonly<Record<string, InferParameter__Output>>;

export function parameterRefusal(name: string, rule: string, value: unknown): AppError {
  const shown = value === undefined ? 'nothing' : typeof value === 'string' ? JSON.stringify(value.slice(0, 100)) : String(value);
  return new AppError('invalid_argument', `parameter "${name.slice(0, 100)}": must be ${rule}, got ${shown}.`, {
    details: { field: `parameters.${name.slice(0, 100)}` },
  });
}

/** The value of one parameter. @throws AppError `invalid_argument` when none of its members is set */
function chosenValue(name: string, parameter: InferParameter__Output): ParameterValue {
  const { parameterChoice } = parameter;
  const value = parameterChoice === undefined ? undefined : parameter[parameterChoice];
  if (value === undefined) throw parameterRefusal(name, 'a bool, int64, uint64, double or string', value);
  return value;
}

export function parameterMessage(value: ParameterValue): InferParameter {
  if (typeof value === 'boolean') return { boolParam: value };
  if (typeof value === 'string') return { stringParam: value };
  return Number.isSafeInteger(value) ? { int64Param: value } : { doubleParam: value };
}

/** Answered for by the protocol: taken with every model, and without effect where there is nothing to affect. */
const passedOver = new Set(['sequence_id', 'sequence_start', 'sequence_end', 'headers', 'binary_data_output']);

export interface RequestParameters {
  readonly priority: number | undefined;
  readonly queueTimeoutMs: number | undefined;
  readonly wantsEmptyFinal: boolean;
  /** For the model. */
  readonly own: ReadonlyMap<string, ParameterValue>;
}

const emptyFinal = 'triton_enable_empty_final_response';

/** @throws AppError `invalid_argument` for reserved names that mean nothing here and for values of the wrong type */
export function readParameters(map: ParameterMap): RequestParameters {
  const own = new Map<string, ParameterValue>();
  let [priority, queueTimeoutMs, wantsEmptyFinal]: [number | undefined, number | undefined, boolean] = [undefined, undefined, false];
  for (const [name, parameter] of Object.entries(map)) {
    if (passedOver.has(name)) continue;
    const value = chosenValue(name, parameter);
    if (name === 'priority') priority = wholeNumber(name, value) || undefined;
    else if (name === 'timeout') queueTimeoutMs = Math.ceil(wholeNumber(name, value) / 1000) || undefined;
    else if (name === emptyFinal) wantsEmptyFinal = flag(name, value);
    else if (name.startsWith('triton_')) throw parameterRefusal(name, 'one this server knows: names with triton_ are reserved', value);
    else own.set(name, value);
  }
  return { priority, queueTimeoutMs, wantsEmptyFinal, own };
}

export function wholeNumber(name: string, value: ParameterValue): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0)
    throw parameterRefusal(name, 'a whole number of at least 0', value);
  return value;
}

export function flag(name: string, value: ParameterValue): boolean {
  if (typeof value !== 'boolean') throw parameterRefusal(name, 'true or false', value);
  return value;
}

export function finiteNumber(name: string, value: ParameterValue): number {
  if (typeof value !== 'number' || !Number.isFinite(value)) throw parameterRefusal(name, 'a finite number', value);
  return value;
}

/** @throws AppError `invalid_argument` naming the first parameter that the model does not have */
export function refuseUnknown(parameters: ReadonlyMap<string, ParameterValue>, known: readonly string[], model: string): void {
  for (const [name, value] of parameters)
    if (!known.includes(name))
      throw parameterRefusal(name, known.length === 0 ? `left out: "${model}" has none` : `one of ${known.join(', ')}`, value);
}
