# Draws a job's progress events as one tqdm bar.
from __future__ import annotations

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


class ProgressBar:
    """One bar for a whole job: each phase starts it anew. Does nothing when `shown` is false."""

    def __init__(self, shown: bool) -> None:
        self._bar: tqdm[Never] | None = None
        self._shown = shown
        self._phase: str | None = None

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
        if self._bar is None:
            self._bar = tqdm(total=total, dynamic_ncols=True)
            self._bar.set_description_str(progress.phase, refresh=False)
        elif progress.phase != self._phase:
            self._bar.reset(total=total)
            self._bar.set_description_str(progress.phase, refresh=False)
        self._phase = progress.phase
        self._bar.total = total
        self._bar.n = progress.step
        self._bar.set_postfix_str(postfix(progress), refresh=False)
        self._bar.refresh()


def postfix(progress: Progress) -> str:
    """The metrics of one report, the best known first, then the place inside the phase."""
    known = [f"{short}={_number(name, progress.metrics[name])}" for name, short in _SHOWN.items() if name in progress.metrics]
    others = [f"{name}={_number(name, value)}" for name, value in sorted(progress.metrics.items()) if name not in _SHOWN]
    return ", ".join([*known, *others, *([progress.item] if progress.item else [])])


def _number(name: str, value: float) -> str:
    if name.endswith("Bytes"):
        return f"{tqdm.format_sizeof(value, 'B', 1024)}"
    return f"{value:.4g}"
