// Commands on jobs: jobs, watch, cancel, pause, resume, retry, forget.
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

  for (const { name, description, method } of [
    { name: 'cancel', description: 'stop a job; what it did so far is kept for `retry`', method: 'Cancel' },
    { name: 'pause', description: 'put a job aside, with a checkpoint where it runs', method: 'Pause' },
    { name: 'resume', description: 'let a paused job go on where it was', method: 'Resume' },
  ] as const)
    withCommonOptions(program.command(`${name} <job>`))
      .description(description)
      .action((jobId: string, options: CommonOptions) =>
        runCommand(options, async (client, output) => {
          const { job } = await client.unary(client.protocol.job[method], { jobId });
          output.result(job, () => `${jobId}: ${job?.isPausing === true ? 'pausing' : stateText(job?.state ?? '')}`);
        }),
      );

  withCommonOptions(program.command('retry <job>'))
    .description('submit a failed or cancelled job again; it goes on from its checkpoint')
    .option('--fresh', 'begin anew')
    .action((jobId: string, options: CommonOptions & { readonly fresh?: boolean }) =>
      runCommand(options, async (client, output) => {
        const { job } = await client.unary(client.protocol.job.Retry, { jobId, fresh: options.fresh === true });
        output.result(job, () => `${job?.id ?? ''}: ${stateText(job?.state ?? '')}, goes on from ${jobId}`);
      }),
    );

  withCommonOptions(program.command('forget <job>'))
    .description('remove a job that has ended: its log, its result and the files that it left')
    .action((jobId: string, options: CommonOptions) =>
      runCommand(options, async (client, output) => {
        await client.unary(client.protocol.job.Forget, { jobId });
        output.result({ jobId }, () => `${jobId}: removed`);
      }),
    );
}
