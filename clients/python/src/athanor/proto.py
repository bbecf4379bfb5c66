# The wire messages that a caller may want to build by hand; everything else has a Python form of its own.
"""Protobuf messages of package `athanor.v1`."""

from ._gen.v1.job_pb2 import (
    Calibration,
    CompressSpec,
    DistillSettings,
    DistillSpec,
    EvaluateSettings,
    EvaluateSpec,
    ExportSpec,
    ImportSpec,
    JobSpec,
)
from ._gen.v1.losses_pb2 import DistillTeacher
from ._gen.v1.model_pb2 import ExportFormat
from ._gen.v1.recipe_pb2 import LowRank, Quantize, Recipe, RecipeStep
from ._gen.v1.teacher_pb2 import OnPolicy, PolicyGradient, RecordSettings, RecordSpec, SequenceLevel
from ._gen.v1.text_pb2 import TextData

__all__ = [
    "Calibration",
    "CompressSpec",
    "DistillSettings",
    "DistillSpec",
    "DistillTeacher",
    "EvaluateSettings",
    "EvaluateSpec",
    "ExportFormat",
    "ExportSpec",
    "ImportSpec",
    "JobSpec",
    "LowRank",
    "OnPolicy",
    "PolicyGradient",
    "Quantize",
    "Recipe",
    "RecipeStep",
    "RecordSettings",
    "RecordSpec",
    "SequenceLevel",
    "TextData",
]
