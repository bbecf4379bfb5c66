// The entry of the `athanor` command.
import { makeProgram } from './cli/program.ts';

await makeProgram().parseAsync();
