# What the official openai package makes of the server. Prints one JSON document: what each scenario saw.
import json
import sys
import time
from collections.abc import Callable

import openai

base, chat_model, embedding_model = sys.argv[1:4]
client = openai.OpenAI(base_url=f"{base}/v1", api_key="none", max_retries=0)
MODEL = "wiki"
PROMPT = "The city of"


def completion() -> object:
    answer = client.completions.create(model=MODEL, prompt=PROMPT, max_tokens=6, temperature=0)
    return {"text": answer.choices[0].text, "reason": answer.choices[0].finish_reason, "usage": answer.usage.model_dump(), "id": answer.id}


def stream() -> object:
    options = {"include_usage": True}
    chunks = list(
        client.completions.create(model=MODEL, prompt=PROMPT, max_tokens=6, temperature=0, stream=True, stream_options=options)
    )
    with_choice = [chunk for chunk in chunks if chunk.choices]
    return {
        "text": "".join(chunk.choices[0].text for chunk in with_choice),
        "reasons": [chunk.choices[0].finish_reason for chunk in with_choice],
        "usage": chunks[-1].usage.model_dump(),
        "ids": len({chunk.id for chunk in chunks}),
    }


def logprobs_and_echo() -> object:
    ids = [[426, 917], [426, 917, 277, 10]]
    answer = client.completions.create(model=MODEL, prompt=ids, max_tokens=1, temperature=0, logprobs=2, echo=True)
    return [choice.model_dump() for choice in answer.choices]


def several() -> object:
    answer = client.completions.create(model=MODEL, prompt=[PROMPT, "In the"], n=2, best_of=3, max_tokens=4, seed=5, stop=["\n"])
    return [(choice.index, choice.text, choice.finish_reason) for choice in answer.choices]


def seeds() -> object:
    def text(seed: int | None) -> str:
        extra = {} if seed is None else {"seed": seed}
        return client.completions.create(model=MODEL, prompt=PROMPT, max_tokens=12, **extra).choices[0].text

    return {"same": text(7) == text(7), "free": len({text(None) for _ in range(4)})}


def biased() -> object:
    answer = client.completions.create(model=MODEL, prompt=PROMPT, max_tokens=4, temperature=0, logit_bias={"277": 100})
    return answer.choices[0].text


def chat() -> object:
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": [{"type": "text", "text": "Hello"}]}]
    answer = client.chat.completions.create(
        model=chat_model, messages=messages, max_completion_tokens=5, temperature=0, logprobs=True, top_logprobs=2
    )
    pieces = list(client.chat.completions.create(model=chat_model, messages=messages, max_tokens=5, temperature=0, stream=True))
    tokens = answer.choices[0].logprobs.content
    return {
        "role": answer.choices[0].message.role,
        "text": answer.choices[0].message.content,
        "streamed": "".join(piece.choices[0].delta.content or "" for piece in pieces),
        "first_delta": pieces[0].choices[0].delta.role,
        "reason": answer.choices[0].finish_reason,
        "tokens": len(tokens),
        "top": [len(token.top_logprobs) for token in tokens],
        "joined": b"".join(bytes(token.bytes) for token in tokens).decode(errors="replace"),
        "prompt_tokens": answer.usage.prompt_tokens,
    }


def models() -> object:
    return {"list": [model.id for model in client.models.list()], "one": client.models.retrieve(MODEL).id}


def embeddings() -> object:
    if embedding_model == "-":
        return None
    texts = ["A cat sits on the mat.", "A kitten rests on a rug.", "Stock markets fell sharply."]
    packed = client.embeddings.create(model=embedding_model, input=texts)
    plain = client.embeddings.create(model=embedding_model, input=texts, encoding_format="float")
    a, b, c = (item.embedding for item in packed.data)
    dot = lambda x, y: sum(p * q for p, q in zip(x, y, strict=True))  # noqa: E731
    return {
        "width": len(a),
        "near": dot(a, b),
        "far": dot(a, c),
        "norm": dot(a, a),
        "same": max(abs(p - q) for p, q in zip(a, plain.data[0].embedding, strict=True)),
        "tokens": packed.usage.prompt_tokens,
    }


def failure(call: Callable[[], object]) -> object:
    try:
        call()
    except openai.APIStatusError as error:
        return {"class": type(error).__name__, "status": error.status_code, "code": error.code, "param": error.param, "message": error.message}
    return "no error"


def errors() -> object:
    create = client.completions.create
    return {
        "model": failure(lambda: create(model="nobody", prompt="x")),
        "temperature": failure(lambda: create(model=MODEL, prompt="x", temperature=3)),
        "long": failure(lambda: create(model=MODEL, prompt="The city " * 1000)),
        "token": failure(lambda: create(model=MODEL, prompt=[999_999])),
        "template": failure(lambda: client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "x"}])),
        "refused": failure(lambda: client.chat.completions.create(model=chat_model, messages=[{"role": "robot", "content": "x"}])),
        "tools": failure(
            lambda: client.chat.completions.create(
                model=chat_model,
                messages=[{"role": "user", "content": "x"}],
                tools=[{"type": "function", "function": {"name": "f", "parameters": {}}}],
            )
        ),
        "embed": failure(lambda: client.embeddings.create(model=MODEL, input="x")),
        "stream": failure(lambda: list(create(model="nobody", prompt="x", stream=True))),
    }


def cancellation() -> object:
    """Leaves a long stream after its first piece; the server must have freed the place by the time of the next answer."""
    chunks = client.completions.create(model=MODEL, prompt=PROMPT, max_tokens=400, stream=True, extra_body={"ignore_eos": True})
    first = next(iter(chunks))
    chunks.close()
    time.sleep(0.2)
    return {"first": bool(first.choices), "after": completion()}


scenarios = [completion, stream, logprobs_and_echo, several, seeds, biased, chat, models, embeddings, errors, cancellation]
print(json.dumps({scenario.__name__: scenario() for scenario in scenarios}))
