# The package's public face.
"""Python client of athanor, the server that compresses, distills, evaluates and serves language models.

>>> import athanor
>>> with athanor.connect("127.0.0.1:8001") as client:
...     client.models.import_("/models/my-gpt2", name="teacher")
...     job = client.compress("teacher", name="half", recipe={"steps": [{"lowRank": {"ratio": 0.5}}]})
...     job.wait()
"""

from . import aio, errors, proto, types
from ._requests import (
    CalibrationOptions,
    DistillOptions,
    EvaluateOptions,
    GenerateOptions,
    OnPolicyOptions,
    PolicyGradientOptions,
    RecordOptions,
    SequenceLevelOptions,
    inline_text,
    labelled_data,
    pair_data,
)
from .aio import AsyncClient, AsyncJob
from .aio import connect as connect_async
from .client import Client, Job, connect
from .errors import AthanorError

__all__ = [
    "AsyncClient",
    "AsyncJob",
    "AthanorError",
    "CalibrationOptions",
    "Client",
    "DistillOptions",
    "EvaluateOptions",
    "GenerateOptions",
    "Job",
    "OnPolicyOptions",
    "PolicyGradientOptions",
    "RecordOptions",
    "SequenceLevelOptions",
    "aio",
    "connect",
    "connect_async",
    "errors",
    "inline_text",
    "labelled_data",
    "pair_data",
    "proto",
    "types",
]
