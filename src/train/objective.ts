// What a training run minimizes: a scalar of the student's graph, and the figures that are reported beside it.
import type { DeviceBuffer } from '#engine';
import type { GraphBuilder, Value } from '#graph';
import type { GraphNetwork, ModelDeclaration, ModelTask } from '#models';

/** What an objective may build on. */
export interface ObjectiveContext {
  readonly b: GraphBuilder;
  readonly student: GraphNetwork;
  /** Another model over the same batch, for example a teacher; `prefix` is put before the names of its parameters' inputs. */
  networkOf(this: void, model: ModelDeclaration, prefix?: string): GraphNetwork;
  /** Of the student. */
  readonly task: ModelTask;
  readonly vocabularySize: number;
  /** int64 [B, T] */
  readonly tokens: Value;
  /** int64 [B, T]: the token after each; any valid one where it does not count. Made when it is first asked for; objectives with other labels make inputs of their own. */
  readonly labels: Value;
  /** float32 [B, T], 1 where a label counts and 0 where it is padding; absent where all count. */
  readonly counts?: Value;
  /** bool [B, T], true for real tokens; absent where all are. */
  readonly mask?: Value;
  /** bool [B, S], the same of the source that a decoder reads. */
  readonly sourceMask?: Value;
}

export interface ObjectiveGraph {
  /** float32 []: a mean over the tokens of the batch. */
  readonly loss: Value;
  /** Further scalars, by the name under which they are reported. */
  readonly metrics: Readonly<Record<string, Value>>;
}

/** A loss as graph nodes, with the device buffers that its graph reads besides the student's parameters. */
export interface Objective {
  readonly name: string;
  /** For example the weights of a teacher; they belong to whoever made the objective. */
  readonly inputs: Readonly<Record<string, DeviceBuffer>>;
  build(context: ObjectiveContext): ObjectiveGraph;
}
