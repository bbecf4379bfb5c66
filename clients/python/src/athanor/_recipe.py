# Turns a recipe in any of its forms (dict, YAML file, proto message) into the proto message.
from __future__ import annotations

import re
from collections.abc import Hashable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import yaml

from ._convert import fill, suggest
from .errors import BadRecipe
from .proto import Recipe, RecipeStep

RecipeLike = Mapping[str, object] | str | PathLike[str] | Recipe


def to_recipe(recipe: RecipeLike) -> Recipe:
    """Returns the recipe as a message; raises BadRecipe that names the field at fault and the nearest right name."""
    if isinstance(recipe, Recipe):
        return recipe
    if isinstance(recipe, Mapping):
        return _from_mapping(recipe, "recipe")
    if isinstance(recipe, str | PathLike):
        path = Path(recipe)
        return _from_mapping(_read_yaml(path), path.name)
    raise TypeError(f"a recipe is a dict, the path of a YAML file or a proto message, not {type(recipe).__name__}")


def shipped_name(recipe: RecipeLike) -> str | None:
    """The recipe as the name of one that comes with the server: a plain word that is no file here."""
    if not isinstance(recipe, str) or not re.fullmatch(r"[\w-]+", recipe) or Path(recipe).exists():
        return None
    return recipe


def _from_mapping(values: object, source: str) -> Recipe:
    def refuse(place: str, why: str) -> BadRecipe:
        return _bad_recipe(source, place, why)

    message = Recipe()
    fill(message, values, "", refuse)
    if not message.steps:
        raise refuse("steps", "is empty; give at least one step")
    methods = [field.camelcase_name for field in RecipeStep.DESCRIPTOR.oneofs_by_name["method"].fields]
    for index, step in enumerate(message.steps):
        if step.WhichOneof("method") is None:
            raise refuse(f"steps[{index}]", "says no method" + suggest("", methods))
    return message


def _bad_recipe(source: str, place: str, why: str) -> BadRecipe:
    where = f'{source}: "{place}"' if place else source
    return BadRecipe(f"[bad_recipe] {where} {why}", details={"field": place})


def _read_yaml(path: Path) -> object:
    try:
        with path.open(encoding="utf-8") as file:
            return yaml.load(file, _RecipeLoader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadRecipe(f"[bad_recipe] {path.name}: not readable as YAML: {error}", details={"file": str(path)}) from error


class _RecipeLoader(yaml.SafeLoader):
    """PyYAML's safe loader, reading numbers as YAML 1.2 does (the server's reading) and refusing a key given twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f'the key "{key}" stands here twice', key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


# YAML 1.1, PyYAML's dialect, takes `1e-4` for text because it has no dot.
_RecipeLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)[eE][-+]?[0-9]+$"),
    list("-+.0123456789"),
)
