"""Signing in and out, accounts, tokens and the audit log, in the browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from deephealth.cli.main import main

pytestmark = pytest.mark.slow
_PASSWORD = "correct horse battery"


@pytest.fixture
def guarded(start_page_service: Any, tmp_path: Path) -> Any:
    """A service with accounts: ana administers, vera views."""
    data, file = tmp_path / "guarded", tmp_path / "password"
    file.write_text(_PASSWORD)
    for name, role in (("ana", "admin"), ("vera", "viewer")):
        assert main(["user", "add", name, "--role", role, "--password-file", str(file), "--data-dir", str(data)]) == 0
    return start_page_service(data, access="accounts")


def sign_in(page: Page, name: str, password: str = _PASSWORD) -> None:
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("main").get_by_role("button", name="Sign in").click()


def test_who_has_no_session_signs_in_where_they_wanted_to_go(page_in: Any, guarded: Any, troubles: Any, axe: Any) -> None:
    troubles.expect("401: POST .*/session")
    page = page_in(path="/models", service=guarded)
    expect(page).to_have_title("Sign in · Deep Health")
    axe(page)
    sign_in(page, "ana", "a wrong password")
    expect(page.get_by_role("alert")).to_contain_text("The name or the password is not right")
    sign_in(page, "ana")
    expect(page.get_by_role("heading", level=1, name="Models")).to_be_visible()
    page.locator("header summary").click()
    axe(page)
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_title("Sign in · Deep Health")


def test_the_help_needs_no_account(page_in: Any, guarded: Any) -> None:
    page = page_in(path="/help", service=guarded)
    expect(page.get_by_role("heading", level=1, name="Help")).to_be_visible()


def test_an_administrator_adds_disables_and_restores_an_account(page_in: Any, guarded: Any, axe: Any) -> None:
    page = page_in(path="/accounts", service=guarded)
    sign_in(page, "ana")
    form = page.locator("form").filter(has=page.get_by_role("button", name="Add", exact=True))
    form.get_by_label("Name").fill("benito")
    form.get_by_label("Password").fill(_PASSWORD)
    form.get_by_role("button").click()
    row = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name="benito"))
    row.get_by_role("button", name="Disable").click()
    expect(row).to_contain_text("disabled")
    page.get_by_role("button", name="Undo").click()
    expect(row).not_to_contain_text("disabled")
    page.reload()
    expect(page.get_by_role("cell", name="user.change").first).to_be_visible()
    expect(page.get_by_text("The log is whole")).to_be_visible()
    axe(page)


def test_a_viewer_has_tokens_but_neither_accounts_nor_the_log(page_in: Any, guarded: Any, troubles: Any) -> None:
    page = page_in(path="/accounts", service=guarded)
    sign_in(page, "vera")
    form = page.locator("form").filter(has=page.get_by_role("button", name="Make a token"))
    form.get_by_label("What for").fill("PACS bridge")
    form.get_by_role("button").click()
    secret = page.get_by_role("status").locator("code").inner_text()
    bearer = {"Authorization": f"Bearer {secret}"}
    assert guarded.client.get("/api/v1/models", headers=bearer).status_code == 200
    expect(page.get_by_role("heading", name="Audit log")).to_have_count(0)
    page.goto("/models")
    expect(page.get_by_role("heading", name="deephealth-small")).to_be_visible()
    expect(page.get_by_role("button", name="Choose files")).to_have_count(0)
