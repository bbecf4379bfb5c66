// Commands on stable names: promote, rollback, promotions.
import type { Command } from 'commander';
import type { PromotionMessage } from '#server';
import { type CommonOptions, decimalNumber, runCommand, wholeNumber, withCommonOptions } from '../options.ts';

interface PromoteOptions extends CommonOptions {
  readonly maxBitsPerByte?: number;
  readonly maxLossIncrease?: number;
  readonly minAgreement?: number;
  readonly maxKl?: number;
  readonly minAccuracy?: number;
  readonly maxBytes?: number;
}

export function addPromotionCommands(program: Command): void {
  withCommonOptions(program.command('promote <alias> <model>'))
    .description('serve a version under a stable name, if its newest evaluation meets the thresholds of the name')
    .option('--max-bits-per-byte <value>', 'largest bits per byte', decimalNumber)
    .option('--max-loss-increase <share>', "largest share of the teacher's bits per byte by which it is worse", decimalNumber)
    .option('--min-agreement <share>', "smallest share of positions where the likeliest token is the teacher's", decimalNumber)
    .option('--max-kl <nats>', 'largest mean KL divergence from the teacher', decimalNumber)
    .option('--min-accuracy <share>', 'smallest accuracy', decimalNumber)
    .option('--max-bytes <count>', 'most stored bytes', wholeNumber)
    .action((alias: string, model: string, options: PromoteOptions) =>
      runCommand(options, async (client, output) => {
        const { maxBitsPerByte, maxLossIncrease, minAgreement, maxKl, minAccuracy, maxBytes } = options;
        const given = Object.entries({
          maxBitsPerByte,
          maxLossIncrease,
          minTop1Agreement: minAgreement,
          maxTeacherKl: maxKl,
          minAccuracy,
          maxStoredBytes: maxBytes,
        }).filter(([, limit]) => limit !== undefined);
        const thresholds = given.length === 0 ? null : Object.fromEntries(given);
        const { promotion } = await client.unary(client.protocol.model.Promote, { alias, model, thresholds });
        output.result(promotion, () => promotionText(promotion));
      }),
    );

  withCommonOptions(program.command('rollback <alias>'))
    .description('let a stable name stand for what it stood for before')
    .option('--to <number>', 'promotion to go back to (default: the newest of another version)', wholeNumber, 0)
    .action((alias: string, options: CommonOptions & { readonly to: number }) =>
      runCommand(options, async (client, output) => {
        const { promotion } = await client.unary(client.protocol.model.RollBack, { alias, to: options.to });
        output.result(promotion, () => promotionText(promotion));
      }),
    );

  withCommonOptions(program.command('promotions [alias]'))
    .description('list the stable names, or what one of them stood for')
    .action((alias: string | undefined, options: CommonOptions) =>
      runCommand(options, async (client, output) => {
        const { promotions } = await client.unary(client.protocol.model.Promotions, { alias: alias ?? '' });
        output.result(promotions, () => (promotions.length === 0 ? 'no stable names' : promotions.map(promotionText).join('\n')));
      }),
    );
}

function promotionText(promotion: PromotionMessage | null): string {
  if (promotion === null) return '';
  const { alias, sequence, model, figures, rollbackTo, timeMs } = promotion;
  const measured = Object.entries(figures).map(([name, value]) => `${name} ${Number(value.toPrecision(5))}`);
  const back = rollbackTo === 0 ? '' : ` (back to ${rollbackTo})`;
  return `${alias} #${sequence}${back}: ${model}  ${measured.join(', ')}  ${new Date(timeMs).toISOString()}`;
}
