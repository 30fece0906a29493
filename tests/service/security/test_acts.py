"""What is done through the API stands in the audit log, with who did it and without what anybody calls it."""

from __future__ import annotations

import json
from typing import Any

from deephealth.images.phantom import draw_phantom
from deephealth.images.phantom_dicom import dicom_bytes

NAME = "ZZDOE"


def test_acts_are_written_with_who_did_them_and_never_with_names(service: Any) -> None:
    client = service.client
    project = client.post("/api/v1/projects", json={"name": f"{NAME}^JANE", "classes": ["normal", NAME]}).json()
    path = f"/api/v1/projects/{project['id']}"
    film = dicom_bytes(draw_phantom("normal", seed=4, size=160), seed=1, patient=1, film=1).replace(b"PHANTOM^0001", b"ZZDOE^JANE  ")
    added = client.post(f"{path}/films?class={project['classes'][0]['id']}", files={"file": (f"{NAME}.dcm", film)}).json()
    assert len(added["films"]) == 1, added
    client.patch(f"{path}/films", json={"films": [added["films"][0]["id"]], "deleted": True, "patient": f"{NAME} JANE"})
    client.patch(path, json={"name": f"{NAME}^JOE"})
    client.patch(f"{path}/classes/{project['classes'][1]['id']}", json={"name": f"{NAME} 2"})
    client.get(f"{path}/archive").read()
    client.delete(path)
    log = client.get("/api/v1/audit-log").json()
    assert log["intact"] and NAME not in json.dumps(log)
    acts = [(entry["user"], entry["action"]) for entry in log["entries"] if entry["about"].get("project") == project["id"]]
    expected = ["project.create", "films.add", "films.change", "project.change", "class.change", "project.save", "project.delete"]
    assert acts == [("local", action) for action in expected]
    films = next(entry for entry in log["entries"] if entry["action"] == "films.add")["about"]["films"]
    assert films["number"] == 1 and len(films["first"][0]) == 64


def test_an_act_that_fails_leaves_no_entry(service: Any) -> None:
    def number() -> int:
        return max([0, *(entry["number"] for entry in service.client.get("/api/v1/audit-log").json()["entries"])])

    before = number()
    assert service.client.delete("/api/v1/projects/0000000000000000").status_code == 404
    assert service.client.patch("/api/v1/projects/0000000000000000", json={"name": "x"}).status_code == 404
    assert number() == before


def test_an_editor_may_not_choose_the_model_that_serves(service_of: Any) -> None:
    with service_of(access="open") as running:
        model = running.client.get("/api/v1/about").json()["serving"]
        refused = running.client.patch(f"/api/v1/models/{model}", json={"serving": True})
        assert (refused.status_code, refused.json()["code"]) == (403, "role")
