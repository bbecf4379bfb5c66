// How tokens are drawn: the settings of a request, and their limits.
import { AppError } from '#base';

/** How tokens are drawn. Everything absent is off; without a temperature the likeliest token is taken. */
export interface SamplingOptions {
  /** Divides the logits; 0 takes the likeliest token. @default 0 */
  readonly temperature?: number;
  /** Draw among this many likeliest tokens; 0 is all. @default 0 */
  readonly topK?: number;
  /** Draw among the fewest likeliest tokens that together hold this probability (of what top-k left), 0 … 1. @default 1 */
  readonly topP?: number;
  /** Draw among tokens at least this share as likely as the likeliest, 0 … 1. @default 0 */
  readonly minP?: number;
  /** Divides positive logits of tokens that occurred before, in the prompt too, and multiplies negative ones; 1 is off. @default 1 */
  readonly repetitionPenalty?: number;
  /** Taken from a token's logit for each time that it was generated, -2 … 2. @default 0 */
  readonly frequencyPenalty?: number;
  /** Taken from a token's logit once it was generated, -2 … 2. @default 0 */
  readonly presencePenalty?: number;
  /** Added to the logits of these tokens, by id, -100 … 100. @default none */
  readonly logitBias?: ReadonlyMap<number, number>;
  /** Equal seeds, requests and models give equal tokens. @default 0 */
  readonly seed?: number;
}

const defaults: Required<SamplingOptions> = {
  temperature: 0,
  topK: 0,
  topP: 1,
  minP: 0,
  repetitionPenalty: 1,
  frequencyPenalty: 0,
  presencePenalty: 0,
  logitBias: new Map(),
  seed: 0,
};

const largestPenalty = 2;
const largestBias = 100;

/** @throws AppError `invalid_argument` naming the field */
export function checkSampling(options: SamplingOptions): Required<SamplingOptions> {
  const full = { ...defaults, ...options };
  const requireThat = (condition: boolean, field: Exclude<keyof SamplingOptions, 'logitBias'>, rule: string): void => {
    if (!condition) throw invalidField(field, rule, full[field]);
  };
  requireThat(Number.isFinite(full.temperature) && full.temperature >= 0, 'temperature', 'a number of at least 0');
  requireThat(Number.isInteger(full.topK) && full.topK >= 0, 'topK', 'a whole number of at least 0');
  requireThat(full.topP > 0 && full.topP <= 1, 'topP', 'above 0 and at most 1');
  requireThat(full.minP >= 0 && full.minP <= 1, 'minP', 'between 0 and 1');
  requireThat(Number.isFinite(full.repetitionPenalty) && full.repetitionPenalty > 0, 'repetitionPenalty', 'a number above 0');
  for (const field of ['frequencyPenalty', 'presencePenalty'] as const)
    requireThat(Math.abs(full[field]) <= largestPenalty, field, `between -${largestPenalty} and ${largestPenalty}`);
  for (const [id, bias] of full.logitBias)
    if (!(Math.abs(bias) <= largestBias))
      throw invalidField('logitBias', `between -${largestBias} and ${largestBias}`, `${bias} for ${id}`);
  requireThat(Number.isSafeInteger(full.seed), 'seed', 'a whole number');
  return full;
}

/** The error of a field that breaks a rule. */
export function invalidField(field: string, rule: string, value: string | number): AppError {
  return new AppError('invalid_argument', `${field}: must be ${rule}, got ${value}.`, { details: { field } });
}
