from __future__ import annotations

import re
from typing import Any

import jsonschema


def test_the_api_is_described_without_anything_from_elsewhere(service: Any) -> None:
    reply = service.client.get("/docs")
    page = reply.text
    assert "<script" not in page and "style=" not in page
    assert not re.search(r'(?:src|href)="(?!/|#)', page)
    assert "POST /api/v1/predictions" in page and "application/problem+json" in page and "Answer films" in page
    assert service.client.get("/docs.css").headers["content-type"].startswith("text/css")


def test_every_operation_has_a_summary_and_an_example_that_fits(service: Any) -> None:
    from deephealth.service.docs import example

    openapi = service.client.get("/openapi.json").json()
    schemas = openapi["components"]["schemas"]
    for path, methods in openapi["paths"].items():
        for method, operation in methods.items():
            assert operation.get("summary"), (method, path)
            schema = operation["responses"].get("200", {}).get("content", {}).get("application/json", {}).get("schema")
            if schema and schema.get("$ref", "").endswith(("/Answers", "/ModelDetail", "/About")):
                jsonschema.validate(example(schema, schemas), {**schema, "components": {"schemas": schemas}})
