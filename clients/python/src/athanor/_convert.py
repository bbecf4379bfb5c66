# Fills proto messages from Python values, with errors that name the field, the value and the nearest right name.
"""Shared by recipes (dict or YAML) and by keyword settings. Keys may be camelCase or snake_case."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from google.protobuf.descriptor import FieldDescriptor

if TYPE_CHECKING:
    from google._upb._message import Descriptor as FastDescriptor
    from google.protobuf.descriptor import Descriptor as PlainDescriptor
    from google.protobuf.descriptor import EnumDescriptor
    from google.protobuf.message import Message

    Descriptor = PlainDescriptor | FastDescriptor

# Raises the caller's own kind of error: (place, what is wrong).
Refuse = Callable[[str, str], Exception]

_INTEGER_RANGES: Mapping[int, tuple[int, int]] = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
}
_FLOATS = (FieldDescriptor.CPPTYPE_FLOAT, FieldDescriptor.CPPTYPE_DOUBLE)


def fill(message: Message, values: object, place: str, refuse: Refuse) -> None:
    """Sets the fields of `message` that `values` (a mapping) names; raises `refuse(place, why)` at the first fault."""
    if not isinstance(values, Mapping):
        raise refuse(place, f"wants a mapping of fields, not {_show(values)}")
    for given_key, given in values.items():
        if not isinstance(given_key, str):
            raise refuse(place, f"a field's name must be text, not {_show(given_key)}")
        key, value = _wire_form(message.DESCRIPTOR.name, given_key, given)
        field = find_field(message.DESCRIPTOR, key)
        if field is None:
            raise refuse(_join(place, key), "is not a field here" + suggest(key, field_names(message.DESCRIPTOR)))
        _set(message, field, value, _join(place, key), refuse)


def _wire_form(message: str, key: str, value: object) -> tuple[str, object]:
    """Fields that recipes write in two forms have a field for each form on the wire: the weight and the layers of a loss."""
    if message == "DistillLoss" and key == "weight" and isinstance(value, Mapping):
        return "weight_schedule", value
    if message == "DistillLoss" and key == "layers" and isinstance(value, Sequence) and not isinstance(value, str):
        return "layer_pairs", [_layer_pair(pair) for pair in value]
    return key, value


def _layer_pair(pair: object) -> object:
    if isinstance(pair, Sequence) and not isinstance(pair, str) and len(pair) == 2:
        return {"student": pair[0], "teacher": pair[1]}
    return pair


def find_field(descriptor: Descriptor, key: str) -> FieldDescriptor | None:
    """The field of that camelCase or snake_case name."""
    found = descriptor.fields_by_name.get(key) or descriptor.fields_by_camelcase_name.get(key)
    return cast("FieldDescriptor | None", found)


def field_names(descriptor: Descriptor, snake: bool = False) -> list[str]:
    """The names of all fields, camelCase unless `snake`."""
    return [field.name if snake else field.camelcase_name for field in descriptor.fields]


def suggest(wrong: str, names: Sequence[str]) -> str:
    """`; did you mean "x"?` when a name is near, and otherwise the list of names."""

    def plain(name: str) -> str:
        return name.replace("_", "").replace("-", "").lower()

    by_plain = {plain(name): name for name in names}
    near = difflib.get_close_matches(plain(wrong), by_plain, n=1, cutoff=0.6)
    if near:
        return f'; did you mean "{by_plain[near[0]]}"?'
    return f"; there are: {', '.join(sorted(names))}" if names else ""


def enum_choices(enum: EnumDescriptor) -> dict[str, int]:
    """The short names of an enum's values: without the type's prefix, in lower case; the unspecified one is left out."""
    prefix = "".join(f"_{letter}" if letter.isupper() else letter for letter in enum.name).lstrip("_").upper() + "_"
    return {
        value.name.removeprefix(prefix).lower(): value.number
        for value in enum.values
        if value.number != 0 or not value.name.endswith("_UNSPECIFIED")
    }


def _set(message: Message, field: FieldDescriptor, value: object, place: str, refuse: Refuse) -> None:
    if value is None:
        return
    if field.containing_oneof is not None:
        other = message.WhichOneof(field.containing_oneof.name)
        if other is not None and other != field.name:
            other_name = message.DESCRIPTOR.fields_by_name[other].camelcase_name
            raise refuse(place, f'cannot stand beside "{other_name}": one of the two')
    target: Any = getattr(message, field.name)
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        _set_map(target, field, value, place, refuse)
    elif field.is_repeated:
        if isinstance(value, str | bytes | Mapping) or not isinstance(value, Sequence):
            raise refuse(place, f"wants a list, not {_show(value)}")
        for index, item in enumerate(value):
            item_place = f"{place}[{index}]"
            if field.message_type is None:
                target.append(_scalar(field, item, item_place, refuse))
            else:
                fill(target.add(), item, item_place, refuse)
    elif field.message_type is not None:
        target.SetInParent()
        fill(target, value, place, refuse)
    else:
        setattr(message, field.name, _scalar(field, value, place, refuse))


def _set_map(target: Any, field: FieldDescriptor, value: object, place: str, refuse: Refuse) -> None:
    if not isinstance(value, Mapping):
        raise refuse(place, f"wants a mapping, not {_show(value)}")
    entry: Any = field.message_type
    key_field: FieldDescriptor = entry.fields_by_name["key"]
    value_field: FieldDescriptor = entry.fields_by_name["value"]
    for key, item in value.items():
        checked_key = _scalar(key_field, key, place, refuse)
        if value_field.message_type is None:
            target[checked_key] = _scalar(value_field, item, f"{place}.{key}", refuse)
        else:
            fill(target[checked_key], item, f"{place}.{key}", refuse)


def _scalar(field: FieldDescriptor, value: object, place: str, refuse: Refuse) -> object:
    """Checks one value against its field's type; whole floats count as integers, as they do in YAML (`1e3`)."""
    kind = field.cpp_type
    if kind == FieldDescriptor.CPPTYPE_BOOL:
        if not isinstance(value, bool):
            raise refuse(place, f"wants true or false, not {_show(value)}")
        return value
    if kind in _INTEGER_RANGES:
        low, high = _INTEGER_RANGES[kind]
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise refuse(place, f"wants an integer from {low} to {high}, not {_show(value)}")
        return value
    if kind in _FLOATS:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise refuse(place, f"wants a number, not {_show(value)}")
        return float(value)
    if field.enum_type is not None:
        return _enum_value(field.enum_type, value, place, refuse)
    if field.type == FieldDescriptor.TYPE_BYTES:
        if not isinstance(value, bytes):
            raise refuse(place, f"wants bytes, not {_show(value)}")
        return value
    if not isinstance(value, str):
        raise refuse(place, f"wants text, not {_show(value)}")
    return value


def _enum_value(enum: EnumDescriptor, value: object, place: str, refuse: Refuse) -> int:
    choices = enum_choices(enum)
    if isinstance(value, int) and not isinstance(value, bool) and value in enum.values_by_number:
        return value
    if isinstance(value, str):
        if value in enum.values_by_name:
            return int(enum.values_by_name[value].number)
        # whitenedSvd, whitened-svd, whitened_svd and WHITENED_SVD are one name.
        wanted = value.replace("-", "").replace("_", "").lower()
        for name, number in choices.items():
            if name.replace("_", "") == wanted:
                return number
        raise refuse(place, f"has no choice {_show(value)}{suggest(value, list(choices))}")
    raise refuse(place, f"wants one of {', '.join(choices)}, not {_show(value)}")


def _join(place: str, key: str) -> str:
    return f"{place}.{key}" if place else key


def _show(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
