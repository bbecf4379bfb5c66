// What can be added to a model of any architecture without touching its blocks: a side network, adapters, a trained prompt.

import { adaptedLayers, adapterParameters, adapterPath } from './adapters.ts';
import type { Architecture } from './architecture.ts';
import type { ModelConfig } from './config.ts';
import { ladderHidden, ladderParameters, ladderPaths } from './ladder.ts';
import { promptParameters, promptPath } from './prompt.ts';
import { sidesOf, type UnitAxis, type UnitSide } from './units.ts';

/** Names of the fields of a configuration that say what was added. */
export const additionFields = ['ladder', 'adapters', 'prompt'] as const satisfies readonly (keyof ModelConfig)[];

/** The architecture of a model with additions. */
export function withAdditions(architecture: Architecture): Architecture {
  return {
    ...architecture,
    parameters(config) {
      const { ladder, adapters, prompt } = config;
      return [
        ...architecture.parameters(config),
        ...(adapters === undefined ? [] : adapterParameters(architecture, config, adapters)),
        ...(prompt === undefined ? [] : promptParameters(architecture, config, prompt)),
        ...(ladder === undefined ? [] : ladderParameters(architecture, config, ladder)),
      ];
    },
    prunableUnits: (config) => architecture.prunableUnits(config).map((axis) => withAddedSides(architecture, config, axis)),
    // The side network names the blocks that it reads by index.
    blockStacks: (config) => (config.ladder === undefined ? architecture.blockStacks(config) : []),
    hidden(config, net, tokens) {
      if (config.ladder === undefined) return architecture.hidden(config, net, tokens);
      return ladderHidden(architecture, config, config.ladder, net, tokens);
    },
  };
}

/** Additions read and write the channels of the residual stream. */
function withAddedSides(architecture: Architecture, config: ModelConfig, axis: UnitAxis): UnitAxis {
  if (axis.kind !== 'width') return axis;
  const { ladder, adapters, prompt, width } = config;
  const sides: UnitSide[] = [];
  if (adapters !== undefined) {
    const paths = adaptedLayers(architecture, config).map(adapterPath);
    sides.push(
      ...sidesOf(
        'read',
        paths.map((path) => `${path}.down.weight`),
      ),
      ...sidesOf(
        'made',
        paths.map((path) => `${path}.up.weight`),
      ),
      ...sidesOf(
        'along',
        paths.map((path) => `${path}.up.bias`),
      ),
    );
  }
  if (prompt !== undefined && promptParameters(architecture, config, prompt).some(({ shape }) => shape[1] === width))
    sides.push(...sidesOf('made', [promptPath]));
  if (ladder !== undefined) {
    const readers = [ladderPaths.input, ...ladder.layers.map((_, index) => ladderPaths.down(index))];
    sides.push(
      ...sidesOf(
        'read',
        readers.map((path) => `${path}.weight`),
      ),
      ...sidesOf('made', [`${ladderPaths.up}.weight`]),
      ...sidesOf('along', [`${ladderPaths.up}.bias`]),
    );
  }
  return { ...axis, sides: [...axis.sides, ...sides] };
}
