# lm-evaluation-harness on a server: its log-likelihoods are the Score call, its generations the Generate call.
"""The harness's model `athanor`.

    lm_eval --model athanor --model_args target=127.0.0.1:8001,model=half --tasks lambada_openai

Installing this package next to `lm_eval` is enough: `athanor_harness.pth` makes the name known when the harness loads its models. Where
start-up files of packages are switched off (`python -S`, zipped environments), `python -m athanor.lm_eval` takes the same arguments.
"""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from lm_eval.api.model import LM
from lm_eval.api.registry import model_registry
from lm_eval.utils import get_rolling_token_windows, make_disjoint_window
from tqdm import tqdm

from ._channel import DEFAULT_TARGET
from .client import Client, connect

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lm_eval.api.instance import Instance

    from ._requests import Prompt
    from .types import Score

T = TypeVar("T")

_logger = logging.getLogger(__name__)

# Keys of a task's `generation_kwargs` and the settings of `Client.generate` that they are.
_SETTINGS = {
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "min_p": "min_p",
    "repetition_penalty": "repetition_penalty",
    "frequency_penalty": "frequency_penalty",
    "presence_penalty": "presence_penalty",
    "seed": "seed",
}
_LENGTHS = ("max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens")


class AthanorLM(LM):  # type: ignore[misc]  # the harness has no types
    """A model of an athanor server.

    Args:
        target: Address of the server, "host:port".
        model: Name of the model on it.
        batch_size: Pairs of one Score call.
        num_concurrent: Generations that run side by side; the server decodes them as one batch.
        max_length: Positions to use; those of the model by default, and at most those.
        max_gen_toks: Most tokens of an answer where the task does not say.
        timeout: Deadline of each call, in seconds.
    """

    def __init__(
        self,
        target: str = DEFAULT_TARGET,
        model: str = "",
        batch_size: int | str = 64,
        num_concurrent: int = 8,
        max_length: int | None = None,
        max_gen_toks: int = 256,
        timeout: float | None = None,
        **others: object,
    ) -> None:
        super().__init__()
        # The harness adds arguments of its own, for example the device.
        unknown = set(others) - {"device", "max_batch_size"}
        if unknown:
            raise TypeError(f"athanor: no model argument is called {', '.join(sorted(unknown))}")
        if not model:
            raise TypeError("athanor: name the model, as in --model_args target=127.0.0.1:8001,model=half")
        self.model = model
        self.client: Client = connect(target, timeout=None if timeout is None else float(timeout))
        positions = self.client.models.get(model).config.get("maxPositions")
        limit = int(positions) if isinstance(positions, int | float) else 2048
        self.max_length = limit if max_length is None else min(int(max_length), limit)
        self.max_gen_toks = int(max_gen_toks)
        # "auto" is for those who measure their own memory; the server forms its batches itself.
        self.batch_size = int(batch_size) if str(batch_size).isdigit() else 64
        self.num_concurrent = max(1, int(num_concurrent))

    @property
    def tokenizer_name(self) -> str:
        """Names the cache of requests."""
        return self.model.replace("/", "__")

    def loglikelihood(self, requests: list[Instance], disable_tqdm: bool = False) -> list[tuple[float, bool]]:
        """Sum of natural log probabilities of each continuation, and whether greedy decoding gives it; the server splits as the harness."""
        pairs: list[tuple[Prompt, Prompt]] = [request.args for request in requests]
        scores = self._score(pairs, "Requesting scores", disable_tqdm)
        results = [(score.log_likelihood, score.is_greedy) for score in scores]
        for request, result in zip(requests, results, strict=True):
            self.cache_hook.add_partial("loglikelihood", request.args, result)
        return results

    def loglikelihood_rolling(self, requests: list[Instance], disable_tqdm: bool = False) -> list[float]:
        """Log-likelihood of whole texts: every token once, with as much before it as the model reads."""
        pairs: list[tuple[Prompt, Prompt]] = []
        counts: list[int] = []
        for request in requests:
            windows = list(self._windows(request.args[0]))
            pairs.extend(windows)
            counts.append(len(windows))
        scores = iter(self._score(pairs, "Requesting scores", disable_tqdm))
        results = [sum(score.log_likelihood for score in islice(scores, count)) for count in counts]
        for request, result in zip(requests, results, strict=True):
            self.cache_hook.add_partial("loglikelihood_rolling", request.args, result)
        return results

    def generate_until(self, requests: list[Instance], disable_tqdm: bool = False) -> list[str]:
        """Answers without their stop texts."""

        def answer(request: Instance) -> str:
            text = self._generate(*request.args)
            self.cache_hook.add_partial("generate_until", request.args, text)
            return text

        with ThreadPoolExecutor(self.num_concurrent) as threads:
            answers = threads.map(answer, requests)
            return list(tqdm(answers, total=len(requests), desc="Requesting answers", disable=disable_tqdm))

    def _score(self, pairs: Sequence[tuple[Prompt, Prompt]], what: str, quiet: bool) -> list[Score]:
        scores: list[Score] = []
        with tqdm(total=len(pairs), desc=what, disable=quiet) as bar:
            for batch in _batches(pairs, self.batch_size):
                scores.extend(self.client.score(self.model, batch))
                bar.update(len(batch))
        return scores

    def _windows(self, text: str) -> Iterator[tuple[Prompt, Prompt]]:
        tokens = self.client.tokenize(self.model, text, special_tokens=False)
        # An id that no token has stands for the prefix, which the server knows: an empty context means it.
        prefix = -1
        for window in get_rolling_token_windows(tokens, prefix_token=prefix, max_seq_len=self.max_length, context_len=1):
            context, continuation = make_disjoint_window(window)
            yield ("" if list(context) == [prefix] else list(context), list(continuation))

    def _generate(self, context: str, wanted: dict[str, Any]) -> str:
        settings = {name: wanted[key] for key, name in _SETTINGS.items() if wanted.get(key) is not None}
        if wanted.get("do_sample") is False:
            settings["temperature"] = 0.0
        known = {*_SETTINGS, *_LENGTHS, "do_sample", "until"}
        if ignored := set(wanted) - known:
            _logger.warning("athanor: generation_kwargs %s have no meaning here", ", ".join(sorted(ignored)))
        until = wanted.get("until") or []
        max_tokens = next((int(wanted[key]) for key in _LENGTHS if wanted.get(key) is not None), self.max_gen_toks)
        max_tokens = min(max_tokens, self.max_length - 1)
        # What does not fit is cut from the start, as in the harness's own models.
        ids = self.client.tokenize(self.model, context, special_tokens=False)[-(self.max_length - max_tokens) :]
        stop = [until] if isinstance(until, str) else [text for text in until if text]
        return self.client.generate(self.model, ids, max_tokens=max_tokens, stop=stop, **settings).text()


def _batches(items: Sequence[T], size: int) -> Iterator[list[T]]:
    for start in range(0, len(items), size):
        yield list(items[start : start + size])


def register() -> None:
    """Makes the name known to the harness; more than once does no harm."""
    if "athanor" not in model_registry:
        model_registry.register("athanor", target=AthanorLM)


def main() -> None:
    """The harness's own command line, with the model known."""
    import lm_eval.models  # noqa: F401 - the harness fills its registry only while it is empty
    from lm_eval.__main__ import cli_evaluate

    register()
    cli_evaluate()


if __name__ == "__main__":
    main()
