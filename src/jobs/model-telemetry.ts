// Gauges of the models in memory: what they hold, how many are served, and how full their caches are.
import { attributes, LabelSet, type Labels, type Meter, metrics, type Reading } from '#base';
import type { Engine } from '#engine';
import type { HubInference } from './inference.ts';
import type { ModelHub } from './model-hub.ts';

/** As many as a server may well hold; the others share one label. */
const largestModelLabels = 64;

export interface ObservedModels {
  readonly hub: Pick<ModelHub, 'resident'>;
  readonly inference: Pick<HubInference, 'served'>;
  readonly engine: Pick<Engine, 'device' | 'counters'>;
}

/** Has the models read whenever somebody asks for metrics. Calling the answer ends that. */
export function observeModels(meter: Meter, { hub, inference, engine }: ObservedModels): () => void {
  const names = new LabelSet(largestModelLabels);
  const labelsOf = (reference: string): Labels => ({ [attributes.model]: names.admit(reference.replace(/@\d+$/, '')) });
  const serving = (read: (memory: HubInference['served'][number]['memory']) => number): readonly Reading[] =>
    summed(inference.served.map(({ reference, memory }) => ({ value: read(memory), labels: labelsOf(reference) })));
  const stops = [
    meter.gauge(metrics.modelMemory, () => summed(hub.resident.map(({ name, bytes }) => ({ value: bytes, labels: labelsOf(name) })))),
    meter.gauge(metrics.deviceMemory, () => [{ value: engine.counters().bufferBytes, labels: { [attributes.device]: engine.device } }]),
    meter.total(metrics.deviceTransfer, () => {
      const { hostToDeviceBytes, deviceToHostBytes } = engine.counters();
      const toward = (direction: string, value: number): Reading => ({
        value,
        labels: { [attributes.device]: engine.device, [attributes.direction]: direction },
      });
      return [toward('host_to_device', hostToDeviceBytes), toward('device_to_host', deviceToHostBytes)];
    }),
    meter.gauge(metrics.cacheMemory, () => serving(({ cacheBytes }) => cacheBytes)),
    meter.gauge(metrics.cacheUse, () => {
      const held = serving(({ blocks }) => blocks.held);
      const all = serving(({ blocks }) => blocks.total);
      return held.map(({ value, ...labels }, index) => ({ ...labels, value: value / Math.max(1, all[index]?.value ?? 1) }));
    }),
    meter.gauge(metrics.sequences, () =>
      (['waiting', 'active', 'paused'] as const).flatMap((state) =>
        serving((memory) => memory[state]).map(({ value, labels }) => ({
          value,
          labels: { ...labels, [attributes.sequenceState]: state },
        })),
      ),
    ),
  ];
  return () => {
    for (const stop of stops) stop();
  };
}

/** One reading for each set of labels: models without a label of their own are one, and so are versions of a model. */
function summed(readings: readonly Reading[]): readonly Reading[] {
  const sums = new Map<string, Reading>();
  for (const reading of readings) {
    const key = JSON.stringify(reading.labels);
    sums.set(key, { ...reading, value: reading.value + (sums.get(key)?.value ?? 0) });
  }
  return [...sums.values()];
}
