"""The JSON schema of the report's evidence, written from its dataclasses, so that the published file cannot fall behind them.

`data/report.schema.json` holds the outcome; write it anew with `python -m deephealth.evaluation.schema` (a test says when).
"""

from __future__ import annotations

import dataclasses
import json
import re
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deephealth.evaluation.evidence import Evidence
from deephealth.evaluation.intervals import Interval

_SCALARS: Mapping[type, dict[str, Any]] = types.MappingProxyType(
    {
        str: {"type": "string"},
        bool: {"type": "boolean"},
        int: {"type": "integer", "minimum": 0},
        float: {"type": "number"},
    }
)


def evidence_definitions() -> dict[str, dict[str, Any]]:
    """Name -> JSON schema (draft 2020-12) of `Evidence` and every dataclass in it, but for `interval`, which the scores share."""
    found: dict[str, dict[str, Any]] = {}
    _define(Evidence, found)
    return dict(sorted(found.items()))


def with_evidence(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A report's schema with the evidence described as it is now."""
    definitions = {**schema["$defs"], **evidence_definitions()}
    return {**schema, "properties": {**schema["properties"], "evidence": {"$ref": "#/$defs/evidence"}}, "$defs": definitions}


def _define(cls: type, found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", cls.__name__).lower()
    reference = {"$ref": f"#/$defs/{name}"}
    if cls is Interval or name in found:
        return reference
    found[name] = {}
    hints = typing.get_type_hints(cls)
    properties = {item.name: _schema(hints[item.name], found) for item in dataclasses.fields(cls)}
    found[name] = {
        "description": " ".join((cls.__doc__ or "").split()),
        "type": "object",
        "additionalProperties": False,
        "required": list(properties),
        "properties": properties,
    }
    return reference


def _schema(kind: Any, found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return _define(kind, found)
    if origin in (types.UnionType, typing.Union):
        (held,) = [part for part in parts if part is not types.NoneType]
        return {"anyOf": [_schema(held, found), {"type": "null"}]}
    if origin is tuple and parts[-1] is Ellipsis:
        return {"type": "array", "items": _schema(parts[0], found)}
    if origin is tuple:
        return {"type": "array", "prefixItems": [_schema(part, found) for part in parts], "items": False, "minItems": len(parts)}
    if origin is Mapping:
        return {"type": "object", "additionalProperties": _schema(parts[1], found)}
    return dict(_SCALARS[kind])


def _write() -> None:
    path = Path(__file__).parents[1] / "data" / "report.schema.json"
    schema = with_evidence(json.loads(path.read_text(encoding="utf-8")))
    path.write_text(json.dumps(schema, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    _write()
