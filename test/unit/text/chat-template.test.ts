// Chat templates as models bring them.
import { describe, expect, it } from 'vitest';
import { renderChat } from '#text';

const options = { beginToken: '<s>', endToken: '</s>', opensAnswer: true };
const hello = [
  { role: 'system', content: 'Be brief.' },
  { role: 'user', content: 'Hello' },
];

/** Llama 2's, with its rules about roles. */
const strict = `{{ bos_token }}{% if messages[0]['role'] == 'system' %}{% set system = messages[0]['content'] %}{% set rest = messages[1:] %}
{%- else %}{% set system = '' %}{% set rest = messages %}{% endif %}
{%- for message in rest %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles must alternate') }}{% endif %}
{%- if message['role'] == 'user' %}{{ '[INST] ' + (('<<SYS>>' + system + '<</SYS>>') if loop.first and system else '') + message['content'].strip() + ' [/INST]' }}
{%- else %}{{ ' ' + message['content'] + ' ' + eos_token }}{% endif %}{% endfor %}`;

/** ChatML with the usual generation prompt. */
const chatMl = `{% for message in messages %}{{ '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}{% endfor %}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}`;

describe('a chat template', () => {
  it('gets the messages, the special tokens and whether an answer follows', () => {
    expect(renderChat(strict, hello, options)).toBe('<s>[INST] <<SYS>>Be brief.<</SYS>>Hello [/INST]');
    const opening = '<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHello<|im_end|>\n';
    expect(renderChat(chatMl, hello, options)).toBe(`${opening}<|im_start|>assistant\n`);
    expect(renderChat(chatMl, hello, { ...options, opensAnswer: false })).toBe(opening);
  });

  it('may refuse messages, in its own words', () => {
    const twice = [...hello, { role: 'user', content: 'Hello?' }];
    expect(() => renderChat(strict, twice, options)).toThrow(/\[invalid_argument\] messages: .*roles must alternate/);
  });

  it('that cannot be parsed is named', () => {
    expect(() => renderChat('{% for x in %}', hello, options)).toThrow(/\[bad_tokenizer\] chat_template/);
  });
});
