// The thread that chooses tokens.
import { parentPort } from 'node:worker_threads';
import { AppError } from '#base';
import { nextTokens, proposeToken, rankTokens } from './choice.ts';
import type { ChoiceAnswers, ChoiceKind, ChoiceQuestion, ChoiceReply, ChoiceRequests } from './choice-thread.ts';
import { Sampler } from './sampler.ts';

const answers: { readonly [Kind in ChoiceKind]: (request: ChoiceRequests[Kind]) => ChoiceAnswers[Kind] } = {
  next: ({ sampler: state, ...request }) => {
    const sampler = Sampler.from(state);
    return { tokens: nextTokens(sampler, request), random: sampler.random.state };
  },
  propose: ({ sampler: state, rows }) => {
    const sampler = Sampler.from(state);
    return { proposal: proposeToken(sampler, rows), random: sampler.random.state };
  },
  rank: rankTokens,
};

parentPort?.on('message', (question: ChoiceQuestion) => parentPort?.postMessage(replyTo(question)));
parentPort?.postMessage('ready' satisfies ChoiceReply);

function replyTo({ number, kind, request }: ChoiceQuestion): Exclude<ChoiceReply, 'ready'> {
  try {
    return { number, answer: answerOf(kind, request) };
  } catch (thrown) {
    const { code, message } = AppError.from(thrown);
    return { number, failure: { code, message: message.replace(`[${code}] `, '') } };
  }
}

function answerOf<Kind extends ChoiceKind>(kind: Kind, request: ChoiceRequests[Kind]): ChoiceAnswers[Kind] {
  return answers[kind](request);
}
