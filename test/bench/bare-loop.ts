// The decode loop without a server, a scheduler or a stream: what benchmarks hold those against.
import type { ModelRunner, Step } from '#serve';

/**
 * One step after the other for prompts of one length, the likeliest token each, nothing else.
 *
 * @returns tokens a second, the first ones left out
 */
export async function bareLoop(runner: ModelRunner, prompts: readonly (readonly number[])[], numTokens: number): Promise<number> {
  const next: number[] = [];
  const columns = Math.ceil(((prompts[0]?.length ?? 0) + numTokens) / 16);
  await runner.arrange({ rows: prompts.length, columns, from: prompts.map(() => undefined) });
  const run = async (lengthsBefore: readonly number[], tokens: readonly (readonly number[])[]): Promise<void> => {
    const shares = tokens.map((share, row) => ({
      id: row,
      row,
      start: lengthsBefore[row] ?? 0,
      tokens: share,
      wantsLogits: 'best' as const,
    }));
    const step: Step = { copies: [], lengths: lengthsBefore, shares };
    await runner.run(step, (row, result) => {
      if (result === undefined || !('id' in result)) throw result instanceof Error ? result : new Error('no token');
      next[row] = result.id;
    });
  };
  await run(
    prompts.map(() => 0),
    prompts,
  );
  const startMs = performance.now();
  for (let count = 1; count < numTokens; count++)
    await run(
      prompts.map(({ length }) => length + count - 1),
      next.map((token) => [token]),
    );
  return (prompts.length * (numTokens - 1)) / ((performance.now() - startMs) / 1000);
}
