"""Signing in and out, roles, tokens and the throttle, on a real service."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from deephealth.service.security.passwords import Passwords
from deephealth.service.store import accounts
from deephealth.service.store.tables import sessions, tokens, users

PASSWORD = "correct horse battery"
OURS = {"X-Deephealth": "1"}


CHEAP = Passwords(memory_kib=64, passes=1)


@contextmanager
def with_users(service_of: Any, *users: str, **settings: Any) -> Iterator[Any]:
    with service_of(access="accounts", **settings) as running:
        running.services.accounts.passwords = CHEAP
        with running.services.database.begin() as connection:
            for user in users:
                name, role = user.split()
                accounts.add_user(connection, name, CHEAP.hash(PASSWORD), role)
        yield running


@pytest.fixture(scope="module")
def served(service_of: Any) -> Iterator[Any]:
    with with_users(service_of, "ada admin", "ana admin", "eva editor", "vera viewer") as running:
        yield running


@contextmanager
def signed_in(served: Any, name: str, password: str = PASSWORD) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=served.url, headers=OURS, timeout=30) as client:
        answer = client.post("/api/v1/session", json={"name": name, "password": password})
        assert answer.status_code == 200, answer.text
        yield client


def test_nobody_gets_nothing_but_the_way_in(served: Any) -> None:
    for path in ("/api/v1/projects", "/api/v1/users", "/api/v1/audit-log", "/api/v1/nothing", "/metrics"):
        answer = served.client.get(path)
        assert (answer.status_code, answer.json()["code"]) == (401, "sign-in-first"), path
    assert served.client.get("/api/v1/about").json()["user"] is None
    assert served.client.post("/api/v1/projects", json={"name": "x"}).status_code == 401


def test_the_session_is_a_cookie_that_scripts_and_other_sites_cannot_use(served: Any) -> None:
    with httpx.Client(base_url=served.url) as client:
        answer = client.post("/api/v1/session", json={"name": " Ada ", "password": PASSWORD})
        assert answer.json() == {"name": "ada", "role": "admin"}
        cookie = answer.headers["set-cookie"].lower()
        assert "httponly" in cookie and "samesite=strict" in cookie and "path=/" in cookie and "domain" not in cookie
        assert client.get("/api/v1/about").json()["user"] == {"name": "ada", "role": "admin"}
        assert client.post("/api/v1/projects", json={"name": "x"}).json()["code"] == "cross-site"  # without X-Deephealth


def test_behind_tls_the_cookie_is_bound_to_the_host(service_of: Any) -> None:
    with with_users(service_of, "ada admin", secure_cookies=True) as running:
        answer = httpx.post(f"{running.url}/api/v1/session", json={"name": "ada", "password": PASSWORD})
        assert answer.headers["set-cookie"].startswith("__Host-deephealth-session=") and "; Secure" in answer.headers["set-cookie"]


def test_the_database_holds_no_secret(served: Any) -> None:
    with signed_in(served, "ada") as client:
        token = client.post("/api/v1/tokens", json={"label": "a", "role": "viewer"}).json()["token"]
        cookie = client.cookies["deephealth-session"]
        with served.services.database.read() as connection:
            held = str([connection.execute(table.select()).all() for table in (users, sessions, tokens)])
    assert token not in held and cookie not in held and PASSWORD not in held and "$argon2id$" in held


def test_roles(served: Any) -> None:
    def may(name: str, method: str, path: str, **given: Any) -> bool:
        with signed_in(served, name) as client:
            status = client.request(method, path, **given).status_code
            assert status in {200, 201, 204, 403}
            return status != 403

    assert [may(name, "GET", "/api/v1/projects") for name in ("vera", "eva", "ada")] == [True, True, True]
    assert [may(name, "POST", "/api/v1/projects", json={"name": "x"}) for name in ("vera", "eva", "ada")] == [False, True, True]
    assert [may(name, "GET", "/api/v1/users") for name in ("vera", "eva", "ada")] == [False, False, True]


def test_sign_out_here_and_everywhere(served: Any) -> None:
    with signed_in(served, "vera") as one, signed_in(served, "vera") as two, signed_in(served, "vera") as three:
        secret = one.cookies["deephealth-session"]
        assert one.delete("/api/v1/session").status_code == 204
        assert "deephealth-session" not in one.cookies
        assert one.get("/api/v1/projects", headers={"Cookie": f"deephealth-session={secret}"}).status_code == 401
        assert two.get("/api/v1/projects").status_code == 200
        assert two.delete("/api/v1/session?everywhere=true").status_code == 204
        assert three.get("/api/v1/projects").status_code == 401


@pytest.mark.parametrize("column", ["used", "created"])
def test_a_session_ends_when_unused_and_in_any_case_after_a_day(served: Any, column: str) -> None:
    with signed_in(served, "vera") as client:
        long_ago = time.time() - {"used": accounts.IDLE_SECONDS, "created": accounts.LONGEST_SECONDS}[column] - 1
        with served.services.database.begin() as connection:
            connection.execute(sessions.update().values({column: long_ago}))
        assert client.get("/api/v1/projects").status_code == 401


def test_a_person_has_so_many_sessions_and_no_more(served: Any) -> None:
    database = served.services.database
    with database.begin() as connection:
        secrets = [accounts.open_session(connection, "ana") for _ in range(25)]
        assert [accounts.session_user(connection, secret) is not None for secret in secrets] == [False] * 5 + [True] * 20


def test_a_token_does_what_its_role_and_its_user_may(served: Any) -> None:
    with signed_in(served, "eva") as client, httpx.Client(base_url=served.url) as program:
        made = client.post("/api/v1/tokens", json={"label": "bridge", "role": "viewer"}).json()
        assert client.post("/api/v1/tokens", json={"label": "too much", "role": "admin"}).json()["code"] == "role"
        program.headers["Authorization"] = f"Bearer {made['token']}"
        assert program.get("/api/v1/about").json()["user"] == {"name": "eva", "role": "viewer"}
        assert program.post("/api/v1/projects", json={"name": "x"}).json()["code"] == "role"
        assert program.post("/api/v1/tokens", json={"label": "more", "role": "viewer"}).json()["code"] == "token-not-enough"
        listed = client.get("/api/v1/tokens").json()["tokens"]
        assert [token["label"] for token in listed] == ["bridge"] and listed[0]["used"] and "token" not in listed[0]
        with signed_in(served, "vera") as other:
            assert other.delete(f"/api/v1/tokens/{made['id']}").status_code == 404
        assert client.delete(f"/api/v1/tokens/{made['id']}").status_code == 204
        assert program.get("/api/v1/projects").status_code == 401


def test_a_lesser_role_holds_for_the_tokens_made_before(served: Any) -> None:
    with signed_in(served, "ada") as admin:
        admin.post("/api/v1/users", json={"name": "tom", "password": PASSWORD, "role": "editor"})
        with signed_in(served, "tom") as tom:
            token = tom.post("/api/v1/tokens", json={"label": "t", "role": "editor"}).json()["token"]

        def make() -> int:
            return httpx.post(f"{served.url}/api/v1/projects", json={"name": "x"}, headers={"Authorization": f"Bearer {token}"}).status_code

        assert make() == 201
        admin.patch("/api/v1/users/tom", json={"role": "viewer"})
        assert make() == 403
        admin.patch("/api/v1/users/tom", json={"disabled": True})
        assert make() == 401
        assert admin.post("/api/v1/session", json={"name": "tom", "password": PASSWORD}).status_code == 401


def test_users_are_made_changed_and_removed(served: Any) -> None:
    with signed_in(served, "ada") as admin:
        assert admin.post("/api/v1/users", json={"name": "Uma", "password": PASSWORD, "role": "viewer"}).status_code == 201
        assert admin.post("/api/v1/users", json={"name": "uma", "password": PASSWORD, "role": "viewer"}).json()["code"] == "name-taken"
        assert admin.post("/api/v1/users", json={"name": "u", "password": "short", "role": "viewer"}).json()["code"] == "password-length"
        assert admin.post("/api/v1/users", json={"name": "../u", "password": PASSWORD, "role": "viewer"}).json()["code"] == "user-name"
        with signed_in(served, "uma") as uma:
            assert uma.put("/api/v1/session/password", json={"current": "wrong", "new": "another long one"}).status_code == 401
            assert uma.put("/api/v1/session/password", json={"current": PASSWORD, "new": "another long one"}).status_code == 204
        with signed_in(served, "uma", "another long one"):
            pass
        assert "uma" in [user["name"] for user in admin.get("/api/v1/users").json()["users"]]
        assert admin.delete("/api/v1/users/uma").status_code == 204
        assert admin.delete("/api/v1/users/uma").status_code == 404


def test_somebody_can_always_administer(service_of: Any) -> None:
    with with_users(service_of, "ada admin") as running, signed_in(running, "ada") as admin:
        for change in ({"role": "viewer"}, {"disabled": True}):
            assert admin.patch("/api/v1/users/ada", json=change).json()["code"] == "last-admin"
        assert admin.delete("/api/v1/users/ada").json()["code"] == "last-admin"
        assert admin.get("/api/v1/about").json()["user"]["role"] == "admin"


def test_wrong_passwords_are_counted_by_name_known_or_not(service_of: Any) -> None:
    with with_users(service_of, "ada admin") as running:
        for name in ("ada", "nobody"):
            answers = [running.client.post("/api/v1/session", json={"name": name, "password": "wrong wrong"}) for _ in range(9)]
            assert [answer.status_code for answer in answers] == [401] * 8 + [429]
            assert len({answer.json()["detail"] for answer in answers[:8]}) == 1 and int(answers[8].headers["Retry-After"]) > 30
        assert running.client.post("/api/v1/session", json={"name": "ada", "password": PASSWORD}).status_code == 429


def test_a_service_without_accounts_says_so(service: Any) -> None:
    assert service.client.get("/api/v1/about").json()["user"] == {"name": "local", "role": "admin"}
    assert service.client.post("/api/v1/session", json={"name": "ada", "password": PASSWORD}).json()["code"] == "no-accounts"
    assert service.client.post("/api/v1/tokens", json={"label": "t", "role": "viewer"}).json()["code"] == "no-accounts"


def test_open_to_all_it_leaves_administration_to_the_command_line(service_of: Any) -> None:
    with service_of(access="open") as running:
        assert running.client.post("/api/v1/projects", json={"name": "x"}).status_code == 201
        assert running.client.get("/api/v1/users").json()["code"] == "role"
