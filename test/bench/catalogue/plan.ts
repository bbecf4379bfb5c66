// What the study compares: every method of the catalogue at three sizes, and the bit widths.

/** One way to make a model smaller, as a recipe. */
export interface Case {
  /** Unique; the records are kept under it. */
  readonly key: string;
  /** What the chart draws as one line. */
  readonly series: string;
  /** How its series is drawn: methods of one kind share a colour. */
  readonly family: 'low rank' | 'kronecker' | 'sharing' | 'pruning' | 'slicing' | 'quantization' | 'composition';
  /** Share of the stored bytes of the touched matrices, or the bits of a weight. */
  readonly size: string;
  readonly steps: readonly Readonly<Record<string, unknown>>[];
  /** What follows the distillation, since codes do not train: of compositions that end in a quantization. */
  readonly last?: Readonly<Record<string, unknown>>;
  /** Whether anything is left that distillation could train. */
  readonly trains: boolean;
}

const ratios = [0.75, 0.5, 0.25] as const;

function atRatios(series: string, family: Case['family'], step: (ratio: number) => Record<string, unknown> | undefined): Case[] {
  return ratios.flatMap((ratio) => {
    const made = step(ratio);
    const size = `${100 * ratio} %`;
    return made === undefined ? [] : [{ key: `${series} ${size}`, series, family, size, steps: [made], trains: true }];
  });
}

function atBits(series: string, method: string): Case[] {
  return [8, 4, 3, 2].map((bits) => ({
    key: `${series} ${bits} bits`,
    series,
    family: 'quantization',
    size: `${bits} bits`,
    steps: [{ quantize: { bits, method } }],
    trains: false,
  }));
}

/**
 * The cases for a model of so many layers.
 *
 * @param layers - sharing keeps whole layers, so its sizes are the nearest that there are
 */
export function studyCases(layers: number): Case[] {
  const unique = (ratio: number): number => Math.max(1, Math.round(ratio * layers));
  return [
    ...['plain', 'fwsvd', 'asvd', 'whitened'].flatMap((method) =>
      atRatios(`SVD, ${method}`, 'low rank', (ratio) => ({ lowRank: { method, ratio } })),
    ),
    ...atRatios('SVD, whitened, ranks by loss', 'low rank', (ratio) => ({ lowRank: { method: 'whitened', ratio, allocate: 'loss' } })),
    ...atRatios('Kronecker, no orders', 'kronecker', (ratio) => ({ kronecker: { ratio, permute: 'none' } })),
    ...atRatios('Kronecker, orders', 'kronecker', (ratio) => ({ kronecker: { ratio } })),
    ...['sequence', 'cycle', 'cycleReversed'].flatMap((scheme) =>
      atRatios(`share, ${scheme}`, 'sharing', (ratio) => ({ share: { scheme, uniqueLayers: unique(ratio) } })),
    ),
    ...['magnitude', 'wanda', 'sparsegpt'].flatMap((method) =>
      atRatios(`prune, ${method}`, 'pruning', (ratio) => ({ prune: { method, ratio } })),
    ),
    ...['magnitude', 'wanda', 'sparsegpt'].flatMap((method): Case[] => [
      {
        key: `prune 2:4, ${method}`,
        series: `prune 2:4, ${method}`,
        family: 'pruning',
        size: '2:4',
        steps: [{ prune: { method, pattern: '2:4' } }],
        trains: true,
      },
      {
        key: `prune half of the weights, ${method}`,
        series: `prune half of the weights, ${method}`,
        family: 'pruning',
        size: 'half of the weights',
        steps: [{ prune: { method, sparsity: 0.5 } }],
        trains: true,
      },
    ]),
    ...ratios.map(
      (ratio): Case => ({
        key: `slice, heads and neurons ${100 * ratio} %`,
        series: 'slice, heads and neurons',
        family: 'slicing',
        size: `${100 * ratio} %`,
        steps: [{ prune: { structure: 'heads', ratio } }, { prune: { structure: 'ffn', ratio } }],
        trains: true,
      }),
    ),
    ...['width', 'layers'].flatMap((structure) => atRatios(`slice, ${structure}`, 'slicing', (ratio) => ({ prune: { structure, ratio } }))),
    ...atBits('nearest', 'rtn'),
    ...atBits('AWQ', 'awq'),
    ...atBits('GPTQ', 'gptq'),
    ...['dynamic', 'static', 'smoothquant'].map(
      (method): Case => ({
        key: `int8, ${method}`,
        series: `int8, ${method}`,
        family: 'quantization',
        size: 'int8',
        steps: [{ quantize: { bits: 8, method } }],
        trains: false,
      }),
    ),
    ...ratios.map(
      (ratio): Case => ({
        key: `SVD, whitened, then 8 bits ${100 * ratio} %`,
        series: 'SVD, whitened, then 8 bits',
        family: 'composition',
        size: `${100 * ratio} % then 8 bits`,
        steps: [{ lowRank: { method: 'whitened', ratio } }],
        last: { quantize: { bits: 8 } },
        trains: true,
      }),
    ),
  ];
}
