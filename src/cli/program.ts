// The commands of `athanor`.
import { Command } from 'commander';
import { addJobCommands } from './commands/jobs.ts';
import { addModelCommands } from './commands/models.ts';
import { addPromotionCommands } from './commands/promotions.ts';
import { addServeCommand } from './commands/serve.ts';
import { addTokenCommand } from './commands/token.ts';
import { addWorkCommands } from './commands/work.ts';
import { type DemoOptions, demo } from './demo.ts';
import { doctorText, examine } from './doctor.ts';
import { wholeNumber } from './options.ts';
import { Output } from './output.ts';
import { packageVersion } from './package-version.ts';

/** The whole command line, ready to parse. */
export function makeProgram(): Command {
  const program = new Command('athanor')
    .description('Compresses, distills, evaluates and serves language models that it holds in memory.')
    .version(packageVersion())
    .showHelpAfterError('(athanor --help lists the commands)');
  addServeCommand(program);
  program
    .command('demo')
    .description('the main job on an embedded model: import, halve, distill, evaluate, generate')
    .option('--steps <count>', 'optimizer steps of the distillation', wholeNumber)
    .option('--store <dir>', 'keep the store in this folder (default: a temporary one)')
    .option('--json', 'print JSON')
    .action((options: DemoOptions) => demo(options));
  program
    .command('doctor')
    .description('engines, devices, memory and versions of this machine, and what to install for what is missing')
    .option('--json', 'print JSON')
    .action(async ({ json }: { readonly json?: boolean }) => {
      const output = new Output(json === true);
      try {
        const report = await examine();
        output.result(report, () => doctorText(report));
      } catch (error) {
        output.error(error);
        process.exitCode = 1;
      }
    });
  addWorkCommands(program);
  addModelCommands(program);
  addPromotionCommands(program);
  addJobCommands(program);
  addTokenCommand(program);
  return program;
}
