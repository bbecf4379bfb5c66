// Units that can be removed from a model, or put in another order, without anything else changing: where each lies in which parameter.

/** `heads`: key-value heads with their query heads; `ffn`: neurons of a feed-forward part; `width`: channels of the residual stream. */
export type UnitKind = 'heads' | 'ffn' | 'width';

/** What people call them. */
export const unitNames: Readonly<Record<UnitKind, string>> = { heads: 'key-value heads', ffn: 'neurons', width: 'channels' };

/** Unit u takes the indices from offset + u·width to offset + (u+1)·width. */
export interface UnitPart {
  readonly offset: number;
  readonly width: number;
}

/** The units of an axis along one side of one parameter. */
export interface UnitSide {
  /** Of a parameter; a model may lack vectors. */
  readonly path: string;
  /**
   * `made`: columns of a matrix that writes the units. `read`: rows of a matrix that reads them. `both`: rows and columns of a square matrix that
   * reads them and writes as many. `along`: entries of a vector over them.
   */
  readonly use: 'made' | 'read' | 'both' | 'along';
  readonly parts: readonly UnitPart[];
}

/** All units of one kind that stand for each other: removing unit u means removing its indices from every side. */
export interface UnitAxis {
  /** For example `h.3.mlp`. */
  readonly name: string;
  readonly kind: UnitKind;
  /** Index of the block; absent where the axis runs through all of them. */
  readonly block?: number;
  /** Heads of a decoder's attention to the source, which `LayerShape.crossHeads` counts. */
  readonly isCross?: boolean;
  /** Number of units. */
  readonly size: number;
  readonly sides: readonly UnitSide[];
}

/** Blocks that run one after the other on one residual stream, any of which can be taken out. */
export interface BlockStack {
  /** In front of the index in the paths of the parameters: `h.`. */
  readonly prefix: string;
  readonly size: number;
  /** Tap of what the first block reads. */
  readonly inputTap: string;
  /** Tap of each block's result. */
  readonly outputTaps: readonly string[];
}

const singleIndices: readonly UnitPart[] = [{ offset: 0, width: 1 }];

/** Sides of one use; each unit is one index unless `parts` says otherwise. */
export function sidesOf(use: UnitSide['use'], paths: readonly string[], parts = singleIndices): UnitSide[] {
  return paths.map((path) => ({ path, use, parts }));
}

/** The axes of the dense tensor that a side lies along. */
export function sideAxes({ use }: UnitSide): readonly (0 | 1)[] {
  return { made: [1], read: [0], along: [0], both: [0, 1] }[use] as readonly (0 | 1)[];
}

/** The indices that some units take along a side, part after part, in the order of `units`. */
export function unitIndices({ parts }: UnitSide, units: Iterable<number>): Int32Array {
  const chosen = [...units];
  const indices = parts.flatMap(({ offset, width }) =>
    chosen.flatMap((unit) => Array.from({ length: width }, (_, index) => offset + unit * width + index)),
  );
  return Int32Array.from(indices);
}
