// What losses are built on inside a graph, and what they answer.
import type { GraphBuilder, Value } from '#graph';
import type { GraphNetwork, ModelDeclaration, ModelTask, NetworkBuilder, NetworkChanges } from '#models';
import type { DType } from '#tensor';

/** A scheme's own values inside one graph. */
export interface SchemeInGraph {
  readonly b: NetworkBuilder;
  readonly variant: string;
  /** float32, one of `TrainingScheme.tensors`. */
  tensor(this: void, name: string): Value;
  /** An input that `TrainingScheme.step` fills. */
  input(this: void, name: string, dtype: DType, shape: readonly number[]): Value;
}

/** What an objective may build on. */
export interface ObjectiveContext {
  readonly b: GraphBuilder;
  readonly student: GraphNetwork;
  /** Another model over the same batch, for example a teacher; `prefix` is put before the names of its parameters' inputs. */
  networkOf(this: void, model: ModelDeclaration, prefix?: string, changes?: NetworkChanges): GraphNetwork;
  /** Of the student. */
  readonly task: ModelTask;
  readonly vocabularySize: number;
  /** int64 [B, T] */
  readonly tokens: Value;
  /** int64 [B, T]: the token after each; any valid one where it does not count. Made when it is first asked for; objectives with other labels make inputs of their own. */
  readonly labels: Value;
  /** What the training's scheme (its own, and that of the objective) holds in this graph. */
  readonly scheme: SchemeInGraph;
  /** float32 [B, T], 1 where a label counts and 0 where it is padding; absent where all count. */
  readonly counts?: Value;
}

export interface ObjectiveGraph {
  /** float32 []: a mean over the tokens of the batch. */
  readonly loss: Value;
  /** Further scalars, by the name under which they are reported. */
  readonly metrics: Readonly<Record<string, Value>>;
}
