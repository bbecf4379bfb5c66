# Tells lm-evaluation-harness that a model called "athanor" exists, at the moment it loads its own.
"""Run by `athanor_harness.pth` when Python starts: the harness asks no package for models, so it cannot be told otherwise.

Costs next to nothing where the harness is not used: a finder that answers for one module name, and nothing imported before that.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # importing `typing` for it would slow every start of Python
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.abc import Loader
    from importlib.machinery import ModuleSpec
    from types import ModuleType

_MODELS = "lm_eval.models"


class _Loader:
    """The module's own loader, and one more model after it."""

    def __init__(self, inner: Loader) -> None:
        self._inner = inner

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._inner.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._inner.exec_module(module)
        from lm_eval.api.registry import model_registry

        if "athanor" not in model_registry:
            model_registry.register("athanor", target="athanor.lm_eval:AthanorLM")

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)


class _Finder:
    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if fullname != _MODELS:
            return None
        from importlib.machinery import PathFinder

        spec = PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.loader is None:
            return None
        spec.loader = _Loader(spec.loader)  # type: ignore[assignment]
        return spec


def install() -> None:
    """Puts the finder in front of the others, once."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
