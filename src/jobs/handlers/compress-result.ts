// What a compression reports, as the wire has it.
import type { CompressionReport, SearchReport } from '#compress';
import type { JsonObject, JsonValue } from '#store';
import type { ParameterChange, SearchRecord, StepReport } from '../results.ts';

/** Of the steps that made the result. */
export function changesOf({ steps }: CompressionReport): ParameterChange[] {
  const errors = new Map<string, number>();
  return steps.flatMap(({ layers, isDropped }, step) =>
    (isDropped === true ? [] : layers).map((layer) => {
      const { path, weightError, outputError, rank, note = '' } = layer;
      const errorBefore = errors.get(path) ?? 0;
      if (weightError > 0) errors.set(path, weightError);
      return {
        path,
        step,
        parametrization: layer.kindAfter,
        storedBytesBefore: layer.bytesBefore,
        storedBytesAfter: layer.bytesAfter,
        relativeError: outputError ?? weightError,
        weightError,
        errorBefore,
        note,
        ...(outputError === undefined ? {} : { outputError }),
        ...(rank === undefined ? {} : { rank }),
      };
    }),
  );
}

export function stepsOf({ steps }: CompressionReport): StepReport[] {
  return steps.map(({ method, note = '', bytesBefore, bytesAfter, measures = {}, isDropped = false, gate, search }) => ({
    method,
    note,
    storedBytesBefore: bytesBefore,
    storedBytesAfter: bytesAfter,
    metrics: measures,
    dropped: isDropped,
    ...(gate === undefined
      ? {}
      : { gate: { metric: gate.metric, value: gate.value, reference: gate.reference, limit: gate.limit, held: gate.held } }),
    ...(search === undefined ? {} : { search: searchRecord(search) }),
  }));
}

function searchRecord({ trials, chosen, ended }: SearchReport): SearchRecord {
  return {
    trials: trials.map(({ name, family, steps, measures, meets, isOnFront, elapsedMs, failure = '' }) => ({
      name,
      family,
      recipeJson: JSON.stringify({ steps }),
      metrics: measures,
      meetsTarget: meets,
      onFront: isOnFront,
      elapsedMs,
      failure,
    })),
    ended,
    ...(chosen === undefined ? {} : { chosen }),
  };
}

/** What else than the recipe decided the result: where it stopped, and what its searches chose. */
export function decisionsOf({ steps, stop }: CompressionReport): JsonObject {
  const searched = steps.flatMap(({ search, isDropped }, step): JsonValue[] => {
    const chosen = search?.chosen === undefined || isDropped === true ? undefined : search.trials[search.chosen];
    return chosen === undefined ? [] : [{ step, name: chosen.name, steps: [...chosen.steps] as JsonValue[] }];
  });
  return {
    ...(stop === undefined ? {} : { stop: { step: stop.step, keptSteps: stop.keptSteps } }),
    ...(searched.length === 0 ? {} : { searched }),
  };
}
