// What a training run minimizes: a scalar of the student's graph, and the figures that are reported beside it.
import type { DeviceBuffer } from '#engine';
import type { ObjectiveContext, ObjectiveGraph } from './objective-graph.ts';
import type { TrainingScheme } from './scheme.ts';

/** A loss as graph nodes, with the device buffers that its graph reads besides the student's parameters. */
export interface Objective {
  readonly name: string;
  /** For example the weights of a teacher; they belong to whoever made the objective. */
  readonly inputs: Readonly<Record<string, DeviceBuffer>>;
  /** What the loss itself needs trained or set each step, for example projections. */
  readonly scheme?: TrainingScheme;
  build(context: ObjectiveContext): ObjectiveGraph;
}
