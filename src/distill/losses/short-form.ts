// The short form of a distillation as the losses that it stands for.
import type { DistillationLoss } from '#teaching';

/** Says what the short form says: (1-α) of the labels and α of the teacher's logits. */
export function shortForm({ temperature, alpha }: { readonly temperature: number; readonly alpha: number }): readonly DistillationLoss[] {
  return [
    { kind: 'labels', weight: 1 - alpha },
    { kind: 'logits', weight: alpha, divergence: 'forward', beta: 0.5, scaled: false, temperature },
  ];
}
