// Commands on jobs: jobs, watch, cancel.
import type { Command } from 'commander';
import { followJob } from '../follow-job.ts';
import { type CommonOptions, runCommand, wholeNumber, withCommonOptions } from '../options.ts';
import { jobsText, resultText, stateText } from '../reports.ts';

interface WatchOptions extends CommonOptions {
  readonly from?: number;
}

export function addJobCommands(program: Command): void {
  withCommonOptions(program.command('jobs'))
    .description('list the jobs, newest first')
    .action((options: CommonOptions) =>
      runCommand(options, async (client, output) => {
        const { jobs } = await client.unary(client.protocol.job.List, {});
        output.result(jobs, () => jobsText(jobs));
      }),
    );

  withCommonOptions(program.command('watch <job>'))
    .description('follow a job to its end; leaving does not stop it')
    .option('--from <sequence>', 'first sequence number wanted', wholeNumber)
    .action((jobId: string, options: WatchOptions) =>
      runCommand(options, async (client, output) => {
        const events = client.serverStream(client.protocol.job.Watch, { jobId, fromSequence: options.from ?? 1 });
        const { result } = await followJob(events, output);
        output.result({ jobId, ...result }, () => resultText(result));
      }),
    );

  withCommonOptions(program.command('cancel <job>'))
    .description('stop a job')
    .action((jobId: string, options: CommonOptions) =>
      runCommand(options, async (client, output) => {
        const { job } = await client.unary(client.protocol.job.Cancel, { jobId });
        output.result(job, () => `${jobId}: ${stateText(job?.state ?? '')}`);
      }),
    );
}
