// Hidden axes whose units have no fixed order.
import { architectureOf } from './architectures.ts';
import type { ModelConfig } from './config.ts';
import type { UnitSide } from './units.ts';

/** Units between two layers that may be put in another order without changing what the model computes. */
export interface FreeAxis {
  /** For example `h.3.mlp`. */
  readonly name: string;
  readonly size: number;
  /** Linear weights whose columns are these units. */
  readonly columns: readonly string[];
  /** Vectors over these units; a model may lack them. */
  readonly vectors: readonly string[];
  /** Linear weights whose rows are these units. */
  readonly rows: readonly string[];
}

/** The feed-forward neurons of every block. */
export function freeAxes(config: ModelConfig): FreeAxis[] {
  return architectureOf(config)
    .prunableUnits(config)
    .filter(({ kind }) => kind === 'ffn')
    .map(({ name, size, sides }) => {
      const paths = (use: UnitSide['use']): string[] => sides.filter((side) => side.use === use).map(({ path }) => path);
      return { name, size, columns: paths('made'), vectors: paths('along'), rows: paths('read') };
    });
}
