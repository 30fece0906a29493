"""The built page: one index.html for every address of its own, hashed assets that may be kept for ever."""

from __future__ import annotations

import functools
import gzip
import hashlib
import mimetypes
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Header, HTTPException, Response
from fastapi.responses import FileResponse

from deephealth.service.problems import ServiceProblem

FOLDER = Path(__file__).parent / "page"
_WRITTEN_OUT = (".html", ".js", ".css", ".svg", ".json", ".webmanifest", ".wasm", ".map", ".mjs")
_KINDS = {".js": "text/javascript", ".mjs": "text/javascript", ".wasm": "application/wasm", ".webmanifest": "application/manifest+json"}
_FOREVER = "public, max-age=31536000, immutable"

PLACES = re.compile(r"(|(read|teach|models|help|accounts|sign-in)(/.*)?)")
"""The addresses within the page, as frontend/src/lib/router.svelte.ts knows them."""

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True)
class _Asset:
    packed: bytes | None  # gzip, for what is written text or wasm
    kind: str
    etag: str


@router.api_route("/{name:path}", methods=["GET", "HEAD"])
def page(
    name: str,
    accept: Annotated[str, Header()] = "",
    accept_encoding: Annotated[str, Header()] = "",
    if_none_match: Annotated[str, Header()] = "",
) -> Response:
    """A file of the page; for every other address that a browser goes to, the page itself, which knows what lies there."""
    if name.startswith("api/"):
        raise HTTPException(404)
    own = PLACES.fullmatch(name)
    if own or ("text/html" in accept and name not in _names(_built())):
        return _serve("index.html", accept_encoding, if_none_match, status=200 if own else 404)
    return _serve(name, accept_encoding, if_none_match)


def _serve(name: str, accepted: str, known: str, *, status: int = 200) -> Response:
    built = _built()
    if name not in _names(built):
        raise _absent(built)
    asset = _load(name, built)
    headers = {"Cache-Control": _FOREVER if name.startswith("assets/") else "no-cache", "ETag": asset.etag, "Vary": "Accept-Encoding"}
    if known and asset.etag in known and status == 200:
        return Response(status_code=304, headers=headers)
    if asset.packed is not None and "gzip" in accepted:
        return Response(asset.packed, status, media_type=asset.kind, headers={**headers, "Content-Encoding": "gzip"})
    return FileResponse(FOLDER / name, status, media_type=asset.kind, headers=headers)


def _built() -> int:
    """When the page was built, so that a new one is noticed; 0: never."""
    index = FOLDER / "index.html"
    return index.stat().st_mtime_ns if index.is_file() else 0


@functools.lru_cache(maxsize=1)
def _names(built: int) -> frozenset[str]:
    """The page's files. An address that is not among them never reaches the file system."""
    return frozenset(path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*") if path.is_file())


@functools.lru_cache(maxsize=64)
def _load(name: str, built: int) -> _Asset:
    path = FOLDER / name
    data = path.read_bytes()
    packed = _packed(path, data) if path.suffix in _WRITTEN_OUT else None
    kind = _KINDS.get(path.suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
    return _Asset(packed, kind, f'"{hashlib.sha256(data).hexdigest()[:32]}"')


def _packed(path: Path, data: bytes) -> bytes:
    """The gzip that the build left beside a large file; small ones are packed here."""
    ready = path.with_name(f"{path.name}.gz")
    return ready.read_bytes() if ready.is_file() else gzip.compress(data, 9, mtime=0)


def _absent(built: int) -> ServiceProblem:
    if not built:
        return ServiceProblem(
            404,
            "no-page",
            (
                "The page has not been built into this copy of the package; run `make page`, or use the API under /api/v1.",
                "La página no está incluida en esta copia del paquete; ejecute `make page` o use la API en /api/v1.",
            ),
        )
    return ServiceProblem(
        404,
        "not-found",
        ("There is nothing at this address; go to the start page.", "No hay nada en esta dirección; vaya a la página de inicio."),
    )
