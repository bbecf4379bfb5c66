// The prompt that a conversation becomes, by the Jinja template of the model.
import { Template } from '@huggingface/jinja';
import { AppError } from '#base';

export interface ChatMessage {
  readonly role: string;
  readonly content: string;
  readonly name?: string;
}

export interface ChatOptions {
  /** Texts of the model's tokens; empty where it has none. */
  readonly beginToken: string;
  readonly endToken: string;
  /** End with what opens an answer. */
  readonly opensAnswer: boolean;
}

/** Parsing costs more than rendering, and a server holds few templates. */
const parsed = new Map<string, Template>();
const largestKept = 64;

/**
 * Renders the messages.
 *
 * @param source - Jinja, as `tokenizer_config.json` or `chat_template.jinja` hold it
 * @returns a text that holds the special tokens already: encode it without adding them
 * @throws AppError `bad_tokenizer` (the template cannot be parsed) | `invalid_argument` (it refuses these messages)
 */
export function renderChat(source: string, messages: readonly ChatMessage[], options: ChatOptions): string {
  const template = parseTemplate(source);
  try {
    return template.render({
      messages: messages.map((message) => ({ ...message })),
      bos_token: options.beginToken,
      eos_token: options.endToken,
      add_generation_prompt: options.opensAnswer,
    });
  } catch (cause) {
    // Templates refuse what they were not made for (`raise_exception`), and say why.
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new AppError('invalid_argument', `messages: the model's chat template refuses them: ${reason}.`, {
      details: { field: 'messages' },
      cause,
    });
  }
}

function parseTemplate(source: string): Template {
  const known = parsed.get(source);
  if (known !== undefined) return known;
  try {
    const template = new Template(source);
    if (parsed.size >= largestKept) parsed.clear();
    parsed.set(source, template);
    return template;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new AppError('bad_tokenizer', `chat_template: cannot be parsed: ${reason}. Provide the template of the model.`, { cause });
  }
}
