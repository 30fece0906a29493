"""/docs: the API's description as a page of our own. No script, nothing from another host; /openapi.json holds the same for programs."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import APIRouter, Request, Response

router = APIRouter(include_in_schema=False)

_METHODS = ("get", "post", "put", "patch", "delete")
_DEEPEST = 12  # objects in objects of an example
_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { margin: 0 auto; max-width: 60rem; padding: 1.5rem; }
nav ul { columns: 2; list-style: none; padding: 0; }
code, pre { font: 0.9rem/1.4 ui-monospace, monospace; }
pre { overflow: auto; padding: 0.75rem; border: 1px solid color-mix(in srgb, currentcolor 25%, transparent); border-radius: 0.4rem; }
section { border-top: 1px solid color-mix(in srgb, currentcolor 25%, transparent); padding-block: 0.5rem; }
h3 { display: flex; flex-wrap: wrap; gap: 0.75rem; align-items: baseline; margin-bottom: 0; }
h3 b { font-size: 0.8rem; letter-spacing: 0.05em; }
table { border-collapse: collapse; width: 100%; }
td, th { text-align: left; vertical-align: top; padding: 0.25rem 0.75rem 0.25rem 0; }
@media (max-width: 40rem) { nav ul { columns: 1; } }
"""


@router.get("/docs")
def docs(request: Request) -> Response:
    """The page."""
    return Response(page(request.app.openapi()), media_type="text/html; charset=utf-8", headers={"Cache-Control": "no-cache"})


@router.get("/docs.css")
def style() -> Response:
    """Its looks."""
    return Response(_STYLE, media_type="text/css; charset=utf-8", headers={"Cache-Control": "no-cache"})


def page(openapi: Mapping[str, Any]) -> str:
    """The page of an OpenAPI description."""
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">',
        f'<title>{_safe(openapi["info"]["title"])} API</title><link rel="icon" href="/icon.svg">',
        '<link rel="stylesheet" href="/docs.css"></head><body>',
        f"<h1>{_safe(openapi['info']['title'])} API, version {_safe(openapi['info']['version'])}</h1>",
        "<p>For research and education. Not a medical device. Errors are application/problem+json; sentences come in the language of "
        'Accept-Language (en, es). For programs: <a href="/openapi.json">/openapi.json</a>.</p>',
        "<p>Try it:</p><pre>curl -F file=@film.dcm http://127.0.0.1:8000/api/v1/predictions</pre>",
        *_contents(openapi),
        *_operations(openapi),
        "</body></html>",
    ]
    return "".join(parts)


def _each(openapi: Mapping[str, Any]) -> Iterator[tuple[str, str, str, Mapping[str, Any]]]:
    """Anchor, method, path and description of every operation."""
    for path, methods in openapi["paths"].items():
        for method in _METHODS:
            if method in methods:
                yield f"{method}{path}".replace("/", "-").replace("{", "").replace("}", ""), method, path, methods[method]


def _contents(openapi: Mapping[str, Any]) -> Iterator[str]:
    yield '<nav aria-label="Contents"><ul>'
    for anchor, method, path, operation in _each(openapi):
        title = _safe(operation.get("summary", ""))
        yield f'<li><a href="#{_safe(anchor)}"><code>{method.upper()} {_safe(path)}</code></a> {title}</li>'
    yield "</ul></nav>"


def _operations(openapi: Mapping[str, Any]) -> Iterator[str]:
    schemas = openapi.get("components", {}).get("schemas", {})
    for anchor, method, path, operation in _each(openapi):
        yield f'<section id="{_safe(anchor)}"><h3><b>{method.upper()}</b><code>{_safe(path)}</code></h3>'
        yield f"<p>{_safe(operation.get('description') or operation.get('summary', ''))}</p>"
        yield from _parameters(operation.get("parameters", ()))
        for kind, body in operation.get("requestBody", {}).get("content", {}).items():
            yield f"<p>Body: <code>{_safe(kind)}</code></p>{_example(body.get('schema', {}), schemas)}"
        yield from _responses(operation["responses"], schemas)
        yield "</section>"


def _parameters(parameters: Any) -> Iterator[str]:
    if not parameters:
        return
    yield "<table><thead><tr><th>Parameter</th><th>In</th><th>What</th></tr></thead><tbody>"
    for one in parameters:
        needed = ", required" if one.get("required") else ""
        told = one.get("description") or one.get("schema", {}).get("description", "")
        yield f"<tr><td><code>{_safe(one['name'])}</code></td><td>{_safe(one['in'])}{needed}</td><td>{_safe(told)}</td></tr>"
    yield "</tbody></table>"


def _responses(responses: Mapping[str, Any], schemas: Mapping[str, Any]) -> Iterator[str]:
    for status, response in responses.items():
        content = response.get("content", {})
        kinds = ", ".join(f"<code>{_safe(kind)}</code>" for kind in content)
        yield f"<p><b>{_safe(status)}</b> {_safe(response.get('description', ''))} {kinds}</p>"
        if status.startswith("2") and "application/json" in content:
            yield _example(content["application/json"].get("schema", {}), schemas)


def _example(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> str:
    made = example(schema, schemas)
    return "" if made is None else f"<pre>{_safe(json.dumps(made, indent=1, ensure_ascii=False))}</pre>"


def example(schema: Mapping[str, Any], schemas: Mapping[str, Any], depth: int = 0) -> Any:
    """A value of that JSON schema: its own example, else one made of its parts' examples and types."""
    if "$ref" in schema:
        return example(schemas[schema["$ref"].rpartition("/")[2]], schemas, depth)
    given = schema.get("examples") or [schema[key] for key in ("example", "const") if key in schema] or schema.get("enum")
    if given:
        return given[0]
    if options := schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf"):
        return example(options[0], schemas, depth)
    return _made(schema, schemas, depth + 1) if depth < _DEEPEST else None


def _made(schema: Mapping[str, Any], schemas: Mapping[str, Any], depth: int) -> Any:
    kind = schema.get("type")
    if kind == "object" and "properties" in schema:
        return {name: example(part, schemas, depth) for name, part in schema["properties"].items()}
    if kind == "object" and isinstance(values := schema.get("additionalProperties"), dict):
        return {"...": example(values, schemas, depth)}
    if kind == "array":
        return [example(part, schemas, depth) for part in schema.get("prefixItems") or [schema.get("items", {})]]
    plain: dict[str | None, Any] = {"string": "", "integer": 0, "number": 0.5, "boolean": False, "object": {}}
    return plain.get(kind)


def _safe(text: Any) -> str:
    return html.escape(str(text), quote=True)
