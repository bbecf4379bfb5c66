# Recipes in their three forms, and the errors that name the field.
from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from athanor._recipe import to_recipe
from athanor.errors import BadRecipe
from athanor.proto import LowRank, Recipe, RecipeStep

if TYPE_CHECKING:
    from pathlib import Path

WANTED = Recipe(
    steps=[
        RecipeStep(low_rank=LowRank(ratio=0.5, method="whitened", include=["h.*.mlp.*"], seed=3)),
        RecipeStep(low_rank=LowRank(rank=8, exclude=["wte"])),
    ],
    seed=1,
)

YAML = """\
# halves the feed-forward layers
steps:
  - lowRank: { ratio: 5e-1, method: whitened, include: ["h.*.mlp.*"], seed: 3 }
  - lowRank:
      rank: 8
      exclude: [wte]
seed: 1
"""


def test_camel_case_snake_case_yaml_and_message_are_one_recipe(tmp_path: Path) -> None:
    first = {"ratio": 0.5, "method": "whitened", "include": ("h.*.mlp.*",), "seed": 3}
    second = {"rank": 8, "exclude": ["wte"]}
    path = tmp_path / "half.yaml"
    path.write_text(YAML, encoding="utf-8")
    camel = {"steps": [{"lowRank": first}, {"lowRank": second}], "seed": 1}
    snake = {"steps": [{"low_rank": first}, {"low_rank": second}], "seed": 1}
    for recipe in (camel, snake, path, str(path), WANTED):
        assert to_recipe(recipe) == WANTED


def test_whole_floats_count_as_integers_and_integers_as_floats() -> None:
    recipe = to_recipe({"steps": [{"lowRank": {"ratio": 1, "rank": None, "seed": 3.0}}]})
    assert (recipe.steps[0].low_rank.ratio, recipe.steps[0].low_rank.seed) == (1.0, 3)


def test_a_step_without_settings_is_kept() -> None:
    assert to_recipe({"steps": [{"lowRank": {}}]}).steps[0].WhichOneof("method") == "low_rank"


@pytest.mark.parametrize(
    ("recipe", "message", "field"),
    [
        ({"step": []}, 'recipe: "step" is not a field here; did you mean "steps"?', "step"),
        ({"steps": [{"lowRnak": {}}]}, '"steps[0].lowRnak" is not a field here; did you mean "lowRank"?', "steps[0].lowRnak"),
        ({"steps": [{"lowrank": {}}]}, 'did you mean "lowRank"?', "steps[0].lowrank"),
        (
            {"steps": [{"lowRank": {"ratio": 0.5}}, {"lowRank": {"ratoi": 0.5}}]},
            '"steps[1].lowRank.ratoi" is not a field here; did you mean "ratio"?',
            "steps[1].lowRank.ratoi",
        ),
        ({"steps": [{"hashing": {}}]}, "is not a field here; there are: ", "steps[0].hashing"),
        ({"steps": [{"lowRank": {"ratio": "half"}}]}, "\"steps[0].lowRank.ratio\" wants a number, not 'half'", "steps[0].lowRank.ratio"),
        ({"steps": [{"lowRank": {"rank": 2.5}}]}, "wants an integer from 0 to 4294967295, not 2.5", "steps[0].lowRank.rank"),
        ({"steps": [{"lowRank": {"rank": True}}]}, "not True", "steps[0].lowRank.rank"),
        ({"steps": [{"lowRank": {"include": "h.*"}}]}, "wants a list, not 'h.*'", "steps[0].lowRank.include"),
        ({"steps": [{"lowRank": {"include": [3]}}]}, "wants text, not 3", "steps[0].lowRank.include[0]"),
        ({"steps": [{"lowRank": 0.5}]}, "wants a mapping of fields, not 0.5", "steps[0].lowRank"),
        ({"steps": ["lowRank"]}, "wants a mapping of fields, not 'lowRank'", "steps[0]"),
        ({"steps": []}, '"steps" is empty', "steps"),
        ({"steps": [{}]}, '"steps[0]" says no method; there are: ', "steps[0]"),
    ],
)
def test_an_error_names_the_field(recipe: dict[str, object], message: str, field: str) -> None:
    with pytest.raises(BadRecipe) as caught:
        to_recipe(recipe)
    assert message in str(caught.value)
    assert str(caught.value).startswith("[bad_recipe] recipe: ")
    assert caught.value.details == {"field": field}
    assert caught.value.code == "bad_recipe"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("steps: [", "not readable as YAML"),
        ("steps:\n  - lowRank: { ratio: 0.5, ratio: 0.6 }\n", 'the key "ratio" stands here twice'),
        ("- lowRank: {}\n", "wants a mapping of fields"),
        ("", "wants a mapping of fields, not None"),
        ("steps:\n  - lowRank: { ratoi: 0.5 }\n", 'half.yaml: "steps[0].lowRank.ratoi" is not a field here'),
    ],
)
def test_an_error_in_a_file_names_the_file(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "half.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BadRecipe) as caught:
        to_recipe(path)
    assert message in str(caught.value)
    assert "half.yaml" in str(caught.value)


def test_a_missing_file_and_a_wrong_type_are_said_to_be_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        to_recipe(tmp_path / "none.yaml")
    with pytest.raises(TypeError, match="not list"):
        to_recipe([])  # type: ignore[arg-type]


def test_a_loss_takes_its_weight_and_its_layers_in_either_form() -> None:
    losses = [
        {"kind": "hidden", "weight": {"from": 1, "to": 0, "steps": 50, "shape": "cosine"}, "layers": [[0, 1], [-1, -1]]},
        {"kind": "attention", "weight": 0.5, "layers": "uniform"},
    ]
    recipe = to_recipe({"steps": [{"distill": {"losses": losses, "balance": "gradientNorm", "teachers": [{"model": "a", "weight": 2}]}}]})
    distill = recipe.steps[0].distill
    first, second = distill.losses
    assert (getattr(first.weight_schedule, "from"), first.weight_schedule.steps, first.HasField("weight")) == (1, 50, False)
    assert [(pair.student, pair.teacher) for pair in first.layer_pairs] == [(0, 1), (-1, -1)]
    assert (second.weight, second.layers, distill.balance, distill.teachers[0].model) == (0.5, "uniform", "gradientNorm", "a")


@pytest.mark.parametrize(
    ("loss", "place"),
    [
        ({"kind": "hidden", "weihgt": 1}, r'"steps\[0\].distill.losses\[0\].weihgt" .* did you mean "weight"'),
        ({"kind": "hidden", "layers": [0, 1]}, r"layer_pairs\[0\]"),
    ],
)
def test_a_loss_that_is_written_wrongly_is_named(loss: dict[str, object], place: str) -> None:
    with pytest.raises(BadRecipe, match=place):
        to_recipe({"steps": [{"distill": {"losses": [loss]}}]})
