# The start-up file that tells lm-evaluation-harness of the model, and the harness's model class where the harness is installed.
from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import athanor_harness

if TYPE_CHECKING:
    from fake_server import FakeServer

SHOW = """
import sys
import athanor_harness
athanor_harness.install()
athanor_harness.install()
before = sum(type(finder).__module__ == "athanor_harness" for finder in sys.meta_path)
heavy = [name for name in ("typing", "grpc", "athanor") if name in sys.modules]
import lm_eval.models
from lm_eval.api.registry import model_registry
print(before, heavy, lm_eval.models.loaded, model_registry.known, "athanor" in sys.modules)
"""


def fake_harness(folder: Path) -> None:
    """The two modules of the harness that the start-up file touches."""
    for name, text in {
        "__init__": "",
        "api/__init__": "",
        "api/registry": (
            "class Registry:\n    def __init__(self): self.known = {}\n    def __contains__(self, name): return name in self.known\n"
            "    def register(self, name, target): self.known[name] = target\nmodel_registry = Registry()\n"
        ),
        "models/__init__": "loaded = 1\n",
    }.items():
        path = folder / "lm_eval" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def test_the_start_up_file_adds_the_model_when_the_harness_loads_its_own_and_imports_nothing_before(tmp_path: Path) -> None:
    fake_harness(tmp_path)
    code = f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(Path(athanor_harness.__file__).parent)!r}]\n{SHOW}"
    # -S: without what other packages do when Python starts.
    done = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "1 [] 1 {'athanor': 'athanor.lm_eval:AthanorLM'} False\n"


def test_python_without_the_harness_is_not_disturbed() -> None:
    code = (
        "import athanor_harness; athanor_harness.install()\ntry:\n    import lm_eval_that_is_not_there\nexcept ImportError: print('fine')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(athanor_harness.__file__).parent
    )
    assert done.stdout == "fine\n"


def test_the_model_class_refuses_arguments_it_does_not_know(server: FakeServer) -> None:
    pytest.importorskip("lm_eval", reason="lm_eval is not installed (the `lm-eval` extra); test/e2e/harness.test.ts runs it")
    model = importlib.import_module("athanor.lm_eval").AthanorLM
    with pytest.raises(TypeError, match="name the model"):
        model(target=server.target)
    with pytest.raises(TypeError, match="no model argument is called modle"):
        model(target=server.target, model="teacher", modle="x")
