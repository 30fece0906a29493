"""The service started, asked one example and ended: does it answer here at all?"""

from __future__ import annotations

import json
import secrets
import threading
import time
import urllib.error
import urllib.request
from typing import Any

import uvicorn

from deephealth.errors import DeepHealthError
from deephealth.service.app import create_app
from deephealth.service.config import ServiceConfig
from deephealth.service.models.registry import shipped
from deephealth.service.run import bound
from deephealth.service.security.listening import server_options

_SECONDS = 60.0


def self_check(config: ServiceConfig) -> str:
    """Start the service on a free port of this machine, ask it one synthetic film, end it; what it answered, in a sentence.

    The classroom model is asked where there is one, else the model that ships, which may well refuse such a film. DeepHealthError when
    there is no answer.
    """
    with bound("127.0.0.1", 0) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        server = uvicorn.Server(uvicorn.Config(create_app(config), lifespan="on", timeout_graceful_shutdown=2, **server_options(None)))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            return _ask(address, time.monotonic() + _SECONDS)
        except (OSError, ValueError, KeyError) as error:
            raise DeepHealthError(f"The service gave no answer ({type(error).__name__}: {error}); its own words stand above.") from error
        finally:
            server.should_exit = True
            thread.join()


def _ask(address: str, deadline: float) -> str:
    while (about := _try(f"{address}/readyz")) is None:
        if time.monotonic() > deadline:
            raise TimeoutError("not ready in time")
        time.sleep(0.05)
    about = json.loads(_get(f"{address}/api/v1/about"))
    examples = json.loads(_get(f"{address}/api/v1/examples"))["examples"]
    model = about["classroom"] or shipped().id
    film = _get(address + examples[0]["href"]) if examples else _phantom()
    answers = _post(f"{address}/api/v1/predictions?model={model}", film)
    (found,) = answers["predictions"]
    shares = ", ".join(f"{label} {100 * share:.1f} %" for label, share in found["probabilities"].items())
    refused = " (refused: a synthetic film is none of its kind)" if found["refused"] else ""
    return f"The service answers: {answers['model']['name']} says {shares}{refused}, in {answers['timings_ms']['total']:.0f} ms."


def _phantom() -> bytes:
    from deephealth.images.phantom import draw_phantom
    from deephealth.service.answering.pictures import png

    return png(draw_phantom("normal", seed=1).pixels)


def _try(url: str) -> bytes | None:
    try:
        return _get(url)
    except urllib.error.URLError:
        return None


def _get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=_SECONDS) as reply:  # noqa: S310 - an address of our own making
        data: bytes = reply.read()
        return data


def _post(url: str, film: bytes) -> Any:
    boundary = secrets.token_hex(8)
    start = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="example.png"\r\n\r\n'
    body = start.encode() + film + f"\r\n--{boundary}--\r\n".encode()
    request = urllib.request.Request(url, body, {"Content-Type": f"multipart/form-data; boundary={boundary}"})  # noqa: S310
    with urllib.request.urlopen(request, timeout=_SECONDS) as reply:  # noqa: S310
        return json.load(reply)
