"""Frozen dataclasses <-> JSON, strictly, and the JSON schema they follow: one description of each field serves all three.

A field is made by `spec(...)`, which holds its limits and its line of help. Reading accepts exactly what the schema accepts: no unknown
keys, no missing ones, no number out of range, no NaN.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import json
import math
import re
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar, get_args, get_origin

from deephealth.errors import ModelFileError

T = TypeVar("T")
_MOST_DEPTH = 12


def spec(help: str, *, default: Any = dataclasses.MISSING, required: bool = False, **limits: Any) -> Any:
    """A dataclass field. `limits` are JSON schema words: minimum, maximum, exclusiveMinimum, pattern, minItems, maxItems, minLength.

    On an array or mapping, number and pattern limits hold for its items. A field with a default may be absent from the JSON, unless
    `required`. A mutable default is copied for each instance.
    """
    metadata = {"help": help, "required": required or default is dataclasses.MISSING, "limits": limits}
    if isinstance(default, dict):
        return dataclasses.field(default_factory=lambda: dict(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def decode(cls: type[T], data: Any, where: str = "") -> T:
    """The instance of the dataclass `cls` that the JSON value `data` describes; `where` names its place in the file, for errors."""
    if not isinstance(data, dict):
        raise wrong(where, data, "an object")
    known = {item.name: item for item in dataclasses.fields(typing.cast(Any, cls))}
    if unknown := sorted(set(data) - set(known)):
        nearest = difflib.get_close_matches(unknown[0], known, n=1, cutoff=0)[0]
        raise ModelFileError(
            f"The model's record has an unknown field {_join(where, unknown[0])[:80]!r}, the nearest is {nearest}; write the file anew."
        )
    hints = _hints(typing.cast(type, cls))
    values = {}
    for name, item in known.items():
        if name in data:
            values[name] = _decode(hints[name], data[name], _join(where, name), item.metadata.get("limits", {}))
        elif item.metadata.get("required", True):
            raise wrong(_join(where, name), "nothing", "a value")
    return cls(**values)


def encode(data: Any) -> Any:
    """The JSON value of a dataclass, or of anything that may stand in one."""
    if dataclasses.is_dataclass(data) and not isinstance(data, type):
        return {item.name: encode(getattr(data, item.name)) for item in dataclasses.fields(data)}
    if isinstance(data, Mapping):
        return {str(key): encode(held) for key, held in data.items()}
    if isinstance(data, list | tuple):
        return [encode(held) for held in data]
    return data


def dumps(data: Any) -> str:
    """Compact JSON text of a dataclass. ModelFileError for NaN, infinity or a value that JSON has no place for."""
    try:
        return json.dumps(encode(data), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError) as error:
        raise ModelFileError(f"The model's record cannot be written as JSON ({error}), expected finite numbers, text and lists.") from error


def loads(text: str) -> Any:
    """The JSON value of `text`; NaN, infinity, deep nesting and repeated keys are refused with ModelFileError."""
    try:
        return json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise ModelFileError(
            f"The model's record is not valid JSON ({error}), so the file was damaged or not written by Deep Health."
        ) from error


def wrong(where: str, found: Any, expected: str) -> ModelFileError:
    """The error for one value of a record."""
    shown = found if found == "nothing" else json.dumps(encode(found), default=str)
    shown = shown if len(shown) <= 60 else shown[:57] + "..."
    return ModelFileError(f"The model's record has {shown} at {where or 'its top'}, expected {expected}; write the file anew.")


def schema(cls: type) -> dict[str, Any]:
    """The JSON schema (draft 2020-12) of the dataclass `cls`."""
    hints, properties, required = _hints(cls), {}, []
    for item in dataclasses.fields(cls):
        limits = item.metadata.get("limits", {})
        properties[item.name] = {"description": item.metadata.get("help", ""), **_schema(hints[item.name], limits)}
        if item.metadata.get("required", True):
            required.append(item.name)
    described = (cls.__doc__ or "").strip().split("\n")[0]
    return {"type": "object", "description": described, "properties": properties, "required": required, "additionalProperties": False}


@functools.cache
def _hints(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def _join(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def _decode(kind: Any, data: Any, where: str, limits: Mapping[str, Any]) -> Any:
    if kind is Any:
        return _free(data, where, 0)
    if dataclasses.is_dataclass(kind):
        return decode(typing.cast(type, kind), data, where)
    if get_origin(kind) is types.UnionType:
        return None if data is None else _decode(_without_none(kind), data, where, limits)
    reader = {tuple: _decode_items, Mapping: _decode_mapping, typing.Literal: _decode_literal}.get(get_origin(kind), _scalar)
    return reader(kind, data, where, limits)


def _decode_mapping(kind: Any, data: Any, where: str, limits: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise wrong(where, data, "an object")
    return {key: _decode(get_args(kind)[1], item, _join(where, key), limits) for key, item in data.items()}


def _decode_literal(kind: Any, data: Any, where: str, limits: Mapping[str, Any]) -> Any:
    if isinstance(data, bool | list | dict) or data not in get_args(kind):
        raise wrong(where, data, f"one of {', '.join(map(str, get_args(kind)))}")
    return data


def _decode_items(kind: Any, data: Any, where: str, limits: Mapping[str, Any]) -> tuple[Any, ...]:
    fewest, most = limits.get("minItems", 0), limits.get("maxItems", math.inf)
    if not isinstance(data, list) or not fewest <= len(data) <= most:
        raise wrong(where, data, f"a list of {fewest} or more" if fewest else "a list")
    inner = _inner(limits)
    return tuple(_decode(get_args(kind)[0], item, f"{where}[{place}]", inner) for place, item in enumerate(data))


def _scalar(kind: Any, data: Any, where: str, limits: Mapping[str, Any]) -> Any:
    if kind is str:
        if not isinstance(data, str) or len(data) < limits.get("minLength", 0) or not re.search(limits.get("pattern", ""), data):
            raise wrong(where, data, limits.get("said", "text"))
        return data
    if kind is bool:
        if not isinstance(data, bool):
            raise wrong(where, data, "true or false")
        return data
    if isinstance(data, bool) or not isinstance(data, int if kind is int else int | float):
        raise wrong(where, data, "a whole number" if kind is int else "a number")
    return _within(kind, data, where, limits)


def _within(kind: Any, data: int | float, where: str, limits: Mapping[str, Any]) -> Any:
    low, high, above = limits.get("minimum", -math.inf), limits.get("maximum", math.inf), limits.get("exclusiveMinimum", -math.inf)
    try:
        number = kind(data)
    except OverflowError as error:
        raise wrong(where, "a huge number", "a number that a float can hold") from error
    if not (low <= number <= high and number > above and math.isfinite(number)):
        bounds = [f"{word} {limit}" for word, limit in (("at least", low), ("above", above), ("at most", high)) if math.isfinite(limit)]
        raise wrong(where, data, "a number " + " and ".join(bounds or ["that is finite"]))
    return number


def _free(data: Any, where: str, depth: int) -> Any:
    if depth > _MOST_DEPTH:
        raise wrong(where, "deeper nesting", f"at most {_MOST_DEPTH} levels")
    if isinstance(data, float) and not math.isfinite(data):
        raise wrong(where, str(data), "a finite number")
    if isinstance(data, dict):
        return {key: _free(item, f"{where}.{key}", depth + 1) for key, item in data.items()}
    if isinstance(data, list):
        return [_free(item, f"{where}[{place}]", depth + 1) for place, item in enumerate(data)]
    return data


def _schema(kind: Any, limits: Mapping[str, Any]) -> dict[str, Any]:
    if kind is Any:
        return {}
    if dataclasses.is_dataclass(kind):
        return schema(typing.cast(type, kind))
    if get_origin(kind) is types.UnionType:
        held = _schema(_without_none(kind), limits)
        return {**held, "type": [held["type"], "null"]}
    return _schema_of(get_origin(kind) or kind, get_args(kind), limits)


def _schema_of(origin: Any, parts: tuple[Any, ...], limits: Mapping[str, Any]) -> dict[str, Any]:
    if origin is tuple:
        own = {word: limits[word] for word in ("minItems", "maxItems") if word in limits}
        return {"type": "array", "items": _schema(parts[0], _inner(limits)), **own}
    if origin is Mapping:
        return {"type": "object", "additionalProperties": _schema(parts[1], limits)}
    if origin is typing.Literal:
        return {"enum": list(parts)}
    names = {str: "string", bool: "boolean", int: "integer", float: "number"}
    return {"type": names[origin], **{word: limit for word, limit in limits.items() if word != "said"}}


def _without_none(kind: Any) -> Any:
    (held,) = [part for part in get_args(kind) if part is not types.NoneType]
    return held


def _inner(limits: Mapping[str, Any]) -> Mapping[str, Any]:
    return types.MappingProxyType({word: limit for word, limit in limits.items() if word not in ("minItems", "maxItems")})


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"it holds {name}")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is there twice")
    return found
