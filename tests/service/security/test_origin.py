"""Requests that other sites make a browser send are refused; programs and our own page are not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from starlette.datastructures import Headers

from deephealth.service.config import ServiceConfig
from deephealth.service.problems import ServiceProblem
from deephealth.service.security.origin import Hosts, hostname, refuse_other_sites


@pytest.mark.parametrize("host", ["localhost", "localhost:8000", "127.0.0.1:8000", "127.0.0.2", "[::1]:8000", "LOCALHOST", "localhost."])
def test_on_this_machine_the_names_of_this_machine_are_ours(host: str) -> None:
    assert Hosts(ServiceConfig(Path("data"))).ours(host)


OTHERS = ["", "evil.example", "evil.example:8000", "localhost.evil.example", "192.168.1.5", "127.0.0.1@evil.example", "127.0.0.1/x"]


@pytest.mark.parametrize("host", [*OTHERS, "[::1", "a b", "127.0.0.1:x"])
def test_any_other_name_is_not(host: str) -> None:
    assert not Hosts(ServiceConfig(Path("data"))).ours(host)


def test_where_others_may_come_addresses_and_named_hosts_are_ours() -> None:
    hosts = Hosts(ServiceConfig(Path("data"), access="accounts", trusted_hosts=("films.example.org", "*.clinic.example")))
    assert all(hosts.ours(host) for host in ("192.168.1.5:8000", "films.example.org", "a.clinic.example"))
    assert not any(hosts.ours(host) for host in ("evil.example", "clinic.example", "films.example.org.evil.example"))


def test_a_host_is_read_without_port_and_brackets() -> None:
    assert [hostname(host) for host in ("A.example:80", "[::1]:8000", "a@b", "a?b", "")] == ["a.example", "::1", "", "", ""]


def refused(method: str = "POST", path: str = "/api/v1/projects", with_cookie: bool = False, **headers: str) -> bool:
    given = Headers({"host": "127.0.0.1:8000", **{name.replace("_", "-"): value for name, value in headers.items()}})
    try:
        refuse_other_sites(method, path, given, with_cookie)
    except ServiceProblem as problem:
        assert (problem.status, problem.code) == (403, "cross-site")
        return True
    return False


def test_a_program_is_let_through() -> None:
    assert not refused()


def test_our_own_page_is_let_through() -> None:
    assert not refused(sec_fetch_site="same-origin", origin="http://127.0.0.1:8000", with_cookie=True, x_deephealth="1")


@pytest.mark.parametrize(
    "headers",
    [
        {"sec_fetch_site": "cross-site", "origin": "https://evil.example"},
        {"sec_fetch_site": "same-site", "origin": "http://127.0.0.1:9000"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:9000"},
        {"origin": "http://127.0.0.1:8000.evil.example"},
        {"with_cookie": True, "sec_fetch_site": "same-origin"},
        {"with_cookie": True},
    ],
)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_forged_request_is_refused(method: str, headers: dict[str, Any]) -> None:
    assert refused(method, **headers)


def test_a_token_needs_no_header_of_ours_since_no_browser_adds_it() -> None:
    assert not refused(with_cookie=True, authorization="Bearer dh_x")


def test_other_sites_may_link_to_the_page_but_not_read_the_api_through_a_browser() -> None:
    assert not refused("GET", "/", sec_fetch_site="cross-site")
    assert not refused("GET", "/api/v1/models/x/report", sec_fetch_site="cross-site", sec_fetch_mode="navigate")
    assert refused("GET", "/api/v1/projects", sec_fetch_site="cross-site", sec_fetch_mode="no-cors")
