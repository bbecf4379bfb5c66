// Ladder side-tuning in the graph: a narrow network of the architecture's own blocks beside the model's, whose answer goes to the head.
import { AppError, at, invariant } from '#base';
import type { Value } from '#graph';
import type { Shape } from '#tensor';
import type { Architecture, AttentionOptions, HeadLayout, Network } from './architecture.ts';
import type { Ladder, ModelConfig } from './config.ts';
import { depthTaps } from './depth.ts';
import type { ParameterSpec } from './model.ts';

/** Before the paths of everything that the side network adds. */
export const ladderPrefix = 'ladder.';

/** g = σ(α / temperature) for the stored α. @see Sung et al., NeurIPS 2022, §3.1 */
const gateTemperature = 0.1;

/** Paths of the side network outside its blocks. */
export const ladderPaths = {
  /** α of each ladder, then that of the last gate where there is one. */
  gates: `${ladderPrefix}gates`,
  /** Narrows what the first block of the model reads. */
  input: `${ladderPrefix}down.embed`,
  /** Narrows what a block of the model answers, by its place in `Ladder.layers`. */
  down: (index: number): string => `${ladderPrefix}down.${index}`,
  /** Widens what the side network answers. */
  up: `${ladderPrefix}up`,
} as const;

/** A model without what was added to it. */
function backboneConfig<Config extends ModelConfig>(config: Config): Config {
  const { ladder: _, adapters: __, prompt: ___, ...rest } = config;
  return rest as Config;
}

/** The side network as a configuration of its own: as many blocks as there are ladders, the width of a head that of the model. */
function sideConfig(architecture: Architecture, config: ModelConfig, ladder: Ladder): ModelConfig {
  const { embedding: _, halting: __, ...rest } = backboneConfig(config);
  const { layers, heads, keyValueHeads, feedForwardWidth, width } = ladder;
  const shape = { heads, keyValueHeads, feedForwardWidth };
  return architecture.resized(rest as ModelConfig, { layerShapes: layers.map(() => shape), keptLayers: layers, width });
}

/** Parameters of the side network by the path that each would have in a model of its own. */
export function sideBlockParameters(architecture: Architecture, config: ModelConfig, ladder: Ladder): readonly ParameterSpec[] {
  return architecture
    .parameters(sideConfig(architecture, config, ladder))
    .filter(({ path, block }) => block !== undefined || path.startsWith('norm.'));
}

/** Everything that the side network stores. It belongs to no block of the model: steps that touch blocks leave it alone unless they name it. */
export function ladderParameters(architecture: Architecture, config: ModelConfig, ladder: Ladder): ParameterSpec[] {
  const { width: D } = config;
  const { width: d, layers, mixesOutput } = ladder;
  const linear = (path: string, rows: number, columns: number): ParameterSpec[] => [
    { path: `${path}.weight`, role: 'linear', shape: [rows, columns] },
    { path: `${path}.bias`, role: 'vector', shape: [columns] },
  ];
  return [
    { path: ladderPaths.gates, role: 'vector', shape: [layers.length + (mixesOutput ? 1 : 0)], initial: 0 },
    ...linear(ladderPaths.input, D, d),
    ...layers.flatMap((_, index) => linear(ladderPaths.down(index), D, d)),
    ...sideBlockParameters(architecture, config, ladder).map(({ block: _, ...spec }) => ({ ...spec, path: ladderPrefix + spec.path })),
    ...linear(ladderPaths.up, d, D),
  ];
}

/** The heads of the side blocks, one a ladder. */
export function ladderHeads(architecture: Architecture, config: ModelConfig, ladder: Ladder): HeadLayout[] {
  const side = sideConfig(architecture, config, ladder);
  return ladder.layers.map((_, index) => architecture.heads(side, index));
}

/** Attentions of the model itself, in front of those of the side network. */
function backboneAttentions({ layers, embedding }: ModelConfig): number {
  return layers + (embedding === undefined ? 0 : 1);
}

/**
 * h₀ = down(embedding); h_i = block_i(g_i·h_{i-1} + (1-g_i)·down_i(what block layers[i] of the model answers)); the answer is up(norm(h)).
 *
 * No gradient flows back into the model: what it answers is read, and nothing that it reads depends on the side network.
 *
 * @param architecture - of the model itself, whose `hidden` names what its blocks answer
 * @returns rows [B*T, D]
 */
export function ladderHidden(architecture: Architecture, config: ModelConfig, ladder: Ladder, net: Network, tokens: Value): Value {
  const { b } = net;
  const answered = architecture.hidden(backboneConfig(config), net, tokens);
  const batch = [at(tokens.shape, 0), at(tokens.shape, 1)];
  return net.at('ladder', () => {
    const gates = net.vector(ladderPaths.gates);
    const mixed = (index: number, own: Value, other: Value): Value => {
      const gate = b.sigmoid(b.mul(b.slice(gates, 0, index, index + 1), 1 / gateTemperature)); // [1]
      return b.add(b.mul(gate, own), b.mul(b.sub(1, gate), other));
    };
    const { block, last } = sideBlocks(architecture, config, ladder, net, batch);
    let h = net.linear(ladderPaths.input, tapOf(net, depthTaps.input)); // [N, d]
    for (const [index, layer] of ladder.layers.entries())
      h = net.at(`h.${index}`, () => block(index, mixed(index, h, net.linear(ladderPaths.down(index), tapOf(net, `h.${layer}`)))));
    const widened = net.linear(ladderPaths.up, last(h)); // [N, D]
    return ladder.mixesOutput ? mixed(ladder.layers.length, widened, net.tap(depthTaps.output, answered)) : widened;
  });
}

function tapOf(net: Network, name: string): Value {
  const value = net.taps.get(name);
  invariant(value !== undefined, `the model names ${name}`);
  return value;
}

function sideBlocks(
  architecture: Architecture,
  config: ModelConfig,
  ladder: Ladder,
  net: Network,
  batch: Shape,
): ReturnType<NonNullable<Architecture['blocks']>> {
  const side = sideConfig(architecture, config, ladder);
  const blocks = architecture.blocks?.(side, new SideNetwork(net, backboneAttentions(config)), batch);
  if (blocks !== undefined) return blocks;
  throw new AppError('unsupported', `a ladder stands beside one stack of blocks, and ${config.architecture} models have more.`);
}

/** The network of the model under other paths: what a block asks for as `h.0…` is that of the side network. */
class SideNetwork implements Network {
  readonly b: Network['b'];
  readonly positions: Network['positions'];
  readonly tokenTypes: Network['tokenTypes'];
  readonly positionLimit: number;
  readonly runBlocks: undefined;
  readonly taps: Network['taps'];
  readonly #net: Network;
  readonly #firstAttention: number;

  constructor(net: Network, firstAttention: number) {
    this.b = net.b;
    this.positions = net.positions;
    this.tokenTypes = net.tokenTypes;
    this.positionLimit = net.positionLimit;
    this.taps = net.taps;
    this.#net = net;
    this.#firstAttention = firstAttention;
  }

  get keyPositions(): Value {
    return this.#net.keyPositions;
  }

  at<T>(place: string, build: () => T): T {
    return this.#net.at(place, build);
  }

  linear(path: string, x: Value): Value {
    return this.#net.linear(ladderPrefix + path, x);
  }

  embed(path: string, ids: Value): Value {
    return this.#net.embed(ladderPrefix + path, ids);
  }

  embedTransposed(path: string, x: Value): Value {
    return this.#net.embedTransposed(ladderPrefix + path, x);
  }

  vector(path: string): Value {
    return this.#net.vector(ladderPrefix + path);
  }

  attend(layer: number, q: Value, k: Value, v: Value, options?: AttentionOptions): Value {
    return this.#net.attend(this.#firstAttention + layer, q, k, v, options);
  }

  attendTo(layer: number, q: Value, options?: Pick<AttentionOptions, 'scale'>): Value {
    return this.#net.attendTo(this.#firstAttention + layer, q, options);
  }

  tap(name: string, value: Value): Value {
    return this.#net.tap(ladderPrefix + name, value);
  }
}
