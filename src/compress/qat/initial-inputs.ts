// Where the learned grids of layer inputs begin: from what the layers read on a few batches.
import type { OperationContext } from '#base';
import type { Engine } from '#engine';
import type { Value } from '#graph';
import { type TrainingLossRequest, trainingLoss } from '../training-loss.ts';
import type { InitialInput } from './scheme.ts';

/** Half of the 256 codes. */
const middle = 128;
const mostCode = 255;

/**
 * Step 2·mean|x|/√Qp of each layer's inputs, and the code of zero: 0 where no input is negative, else 128.
 *
 * @param owners - by the path of a linear weight, that under which it is stored
 * @see S. K. Esser et al., "Learned step size quantization", ICLR 2020, §2.1
 */
export async function initialInputs(
  request: TrainingLossRequest,
  owners: ReadonlyMap<string, string>,
  engine: Engine,
  context: OperationContext,
): Promise<ReadonlyMap<string, InitialInput>> {
  const figures = await trainingLoss(
    {
      ...request,
      metrics: ({ b, student }) => {
        const found: Record<string, Value> = {};
        for (const [path, inputs] of student.linearInputs) {
          const owner = owners.get(path);
          if (owner === undefined) continue;
          for (const [index, x] of inputs.entries()) {
            const axes = x.shape.map((_, axis) => axis);
            found[`${owner} ${path} ${index} mean`] = b.reduceMean(b.abs(x), axes);
            found[`${owner} ${path} ${index} low`] = b.neg(b.reduceMax(b.neg(x), axes));
          }
        }
        return found;
      },
    },
    engine,
    context,
  );
  return new Map(
    [...new Set(owners.values())].map((owner) => {
      const values = (end: string): number[] =>
        [...figures].filter(([name]) => name.startsWith(`${owner} `) && name.endsWith(` ${end}`)).map(([, value]) => value);
      const means = values('mean');
      const mean = means.reduce((sum, value) => sum + value, 0) / Math.max(1, means.length);
      const zeroPoint = Math.min(...values('low')) < 0 ? middle : 0;
      return [owner, { step: Math.max((2 * mean) / Math.sqrt(mostCode - zeroPoint), Number.EPSILON), zeroPoint }] as const;
    }),
  );
}
