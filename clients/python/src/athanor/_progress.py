# Draws a job's progress events as one tqdm bar.
from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tqdm.auto import tqdm

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Never, Self

    from .types import JobEvent, Progress

# Shown first and in this order, under short names; the bar's own width bounds how much of it is seen.
_SHOWN = {
    "loss": "loss",
    "relativeError": "error",
    "errorBefore": "error before",
    "weightError": "weight error",
    "outputError": "output error",
    "bytesSaved": "saved",
    "learningRate": "lr",
    "tokensPerSecond": "tok/s",
    "residentBytes": "memory",
}


# Seconds between two drawings of one phase, as tqdm has it: a job reports far more often than anybody reads.
_INTERVAL = 0.1


class ProgressBar:
    """One bar for a whole job: each phase starts it anew. Does nothing when `shown` is false."""

    def __init__(self, shown: bool) -> None:
        self._bar: tqdm[Never] | None = None
        self._shown = shown
        self._phase: str | None = None
        self._drawn = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.close()

    def show(self, event: JobEvent) -> None:
        """Draws a progress event; other events leave the bar as it is."""
        if not self._shown or event.progress is None:
            return
        progress = event.progress
        total = progress.total or None
        is_new = progress.phase != self._phase
        is_last = total is not None and progress.step >= total
        if not (is_new or is_last) and time.monotonic() - self._drawn < _INTERVAL:
            return
        if self._bar is None:
            self._bar = tqdm(total=total, dynamic_ncols=True, desc=progress.phase)
        self._bar.set_postfix_str(postfix(progress), refresh=False)
        if is_new:
            # Draws what is set already, so that no line mixes two phases.
            self._bar.set_description_str(progress.phase, refresh=False)
            self._bar.reset(total=total)
        self._phase = progress.phase
        self._bar.total = total
        self._bar.n = progress.step
        self._bar.refresh()
        self._drawn = time.monotonic()


def postfix(progress: Progress) -> str:
    """The metrics of one report, the best known first, then the place inside the phase."""
    known = [f"{short}={_number(name, progress.metrics[name])}" for name, short in _SHOWN.items() if name in progress.metrics]
    others = [f"{name}={_number(name, value)}" for name, value in sorted(progress.metrics.items()) if name not in _SHOWN]
    return ", ".join([*known, *others, *([progress.item] if progress.item else [])])


def _number(name: str, value: float) -> str:
    if name.endswith("Bytes"):
        return f"{tqdm.format_sizeof(value, 'B', 1024)}"
    return f"{value:.4g}"
