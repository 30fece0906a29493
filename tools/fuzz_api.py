"""Fuzz the API of a service of its own with schemathesis: python tools/fuzz_api.py [SECONDS, default 300].

Starts `deephealth serve` in a temporary folder, with a project that has films and a finished setting, so that more than "not found" is
reached. Exit code 0 when no answer was a server error or other than the OpenAPI description says; the failures are printed otherwise.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx

from deephealth.images.phantom import draw_phantom
from deephealth.service.answering.pictures import png

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


def fuzz(seconds: int, folder: Path) -> tuple[int, str]:
    """(exit code of schemathesis or 1, what it printed and what the service logged besides requests)."""
    command = [sys.executable, "-m", "deephealth.cli.main", "serve", "--port", "0", "--data-dir", str(folder / "data"), "--workers", "1"]
    with (folder / "log").open("wb") as log:
        service = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=folder)  # noqa: S603
    try:
        url = _address(service, folder / "log")
        _fill(url)
        program = Path(sys.executable).with_name("schemathesis")
        options = ["--max-time", str(seconds), "--checks", CHECKS, "--request-timeout", "30", "--generation-allow-x00", "true"]
        # It has no way to make an archive; tests/service/test_malformed_uploads.py sends hostile ones.
        options += ["--exclude-path", "/api/v1/projects/archive", "--continue-on-failure", "--no-color", "-H", "X-Deephealth: 1"]
        options += ["--suppress-health-check", "all", "--warnings", "off"]
        whole = [program, "run", f"{url}/openapi.json", *options]
        found = subprocess.run(whole, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603
        lives = service.poll() is None and httpx.get(f"{url}/readyz", timeout=30).status_code == 200
    finally:
        service.terminate()
        service.wait(60)
    lines = (folder / "log").read_text("utf-8", "replace").splitlines()
    told = [line for line in lines if " INFO deephealth.access " not in line or re.search(r" 50[0-2] \d+ ms$", line)]
    requests = len(lines) - len([line for line in lines if " INFO deephealth.access " not in line])
    failed = found.returncode or not lives or any(" ERROR " in line for line in told)
    return int(bool(failed)), "\n".join([found.stdout, found.stderr, *told, f"{requests} requests; the service lives: {lives}"])


def _address(service: subprocess.Popen[bytes], log: Path) -> str:
    for _ in range(600):
        found = re.search(r"http://127\.0\.0\.1:\d+", log.read_text())
        if found:
            return found.group()
        if service.poll() is not None:
            raise SystemExit(log.read_text())
        time.sleep(0.1)
    raise SystemExit("the service did not start")


def _fill(url: str) -> None:
    """A project with two classes and films in each."""
    with httpx.Client(base_url=f"{url}/api/v1", timeout=60) as client:
        project = client.post("/projects", json={"name": "fuzz", "classes": ["normal", "viral"]}).json()
        for entry in project["classes"]:
            films = [("file", (f"{seed}.png", png(draw_phantom(entry["name"], seed=seed, size=160).pixels))) for seed in range(4)]
            client.post(f"/projects/{project['id']}/films", params={"class": entry["id"]}, files=films).raise_for_status()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="deephealth-fuzz-") as temporary:
        code, text = fuzz(int(sys.argv[1]) if len(sys.argv) > 1 else 300, Path(temporary))
    print(text)
    sys.exit(code)
