// From messages to the token ids that the model continues.
import { AppError } from '#base';
import type { InferenceBackend } from '#jobs';
import { type ChatMessage, renderChat } from '#text';
import type { ChatRequestMessage } from './request-schemas.ts';

/** @throws AppError `no_chat_template`, and as `renderChat` */
export async function chatPrompt(
  inference: InferenceBackend,
  model: string,
  messages: readonly ChatRequestMessage[],
  opensAnswer: boolean,
): Promise<Int32Array> {
  const { chatTemplate, tokens, reference } = await inference.describe(model);
  if (chatTemplate === undefined)
    throw new AppError(
      'no_chat_template',
      `messages: model "${reference}" has no chat template. Send a prompt to /v1/completions, or import the model with a chat_template in tokenizer_config.json.`,
      { details: { field: 'messages' } },
    );
  const options = { beginToken: tokens.begin?.text ?? '', endToken: tokens.end?.text ?? '', opensAnswer };
  const text = renderChat(chatTemplate, messages.map(plainMessage), options);
  const tokenizer = await inference.tokenizer(model);
  // The template has written the special tokens.
  return tokenizer.encode(text, { addSpecialTokens: false });
}

function plainMessage({ role, content, name }: ChatRequestMessage): ChatMessage {
  const text = typeof content === 'string' ? content : (content ?? []).map((part) => part.text).join('\n');
  return { role, content: text, ...(name === undefined ? {} : { name }) };
}
