"""Who gets in, who may what, and what no other site can make a browser do."""

from __future__ import annotations

import re
import stat
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from web_support import PASSWORD, browser, console, console_config, csrf_token

from dicom_node.storage.journal import Journal
from dicom_node.storage.users import Role
from dicom_node.web.routers import API, PAGES
from dicom_node.web.sessions import COOKIE, KEY_FILE

OPEN_TO_ALL = {"/login", "/logout"}
AUDIT = '[audit]\ntransport = "file"\n'


def journal_of(app: FastAPI) -> Journal:
    journal: Journal = app.state.journal
    return journal


def log_in(client: TestClient, name: str, password: str) -> int:
    page = client.get("/login")
    data = {"name": name, "password": password, "csrf_token": csrf_token(page.text)}
    return client.post("/login", data=data).status_code


def every_route() -> list[tuple[str, str]]:
    return [
        (method, prefix + re.sub(r"\{[^}]*\}", "1", route.path))
        for prefix, routers in (("", PAGES), ("/api", API))
        for router in routers
        for route in router.routes
        for method in sorted(route.methods)
        if route.path not in OPEN_TO_ALL
    ]


@pytest.mark.parametrize(("method", "path"), every_route())
def test_nothing_but_the_login_is_open(app_of_session: FastAPI, method: str, path: str) -> None:
    answer = browser(app_of_session, None).request(method, path)
    if path.startswith("/api/") and path != "/api/docs":
        assert answer.status_code in (401, 403)
    elif method == "GET":
        assert (answer.status_code, answer.headers["location"].partition("?")[0]) == (303, "/login")
    else:
        assert answer.status_code == 403  # no CSRF token: it does not even come to the question who asks


@pytest.mark.parametrize(("method", "path"), [route for route in every_route() if route[0] == "POST"])
def test_no_change_without_the_pages_token(app_of_session: FastAPI, method: str, path: str) -> None:
    client = browser(app_of_session)
    del client.headers["X-CSRF-Token"]
    assert client.request(method, path, data={"csrf_token": "made up"}).status_code == 403
    client.headers["X-CSRF-Token"] = "made up"
    assert client.request(method, path).status_code == 403


def test_a_wrong_password_and_a_wrong_name_look_alike(app: FastAPI) -> None:
    client = browser(app, None)
    page = client.get("/login")
    answers = [
        client.post("/login", data={"name": name, "password": "wrong", "csrf_token": csrf_token(page.text)})
        for name in ("viewer", "nobody")
    ]
    texts = [answer.text.replace('value="viewer"', "").replace('value="nobody"', "") for answer in answers]
    assert [answer.status_code for answer in answers] == [403, 403]
    assert texts[0] == texts[1]


def test_after_five_failures_a_name_waits_even_with_the_right_password(app: FastAPI) -> None:
    client = browser(app, None)
    assert [log_in(client, "viewer", "wrong") for _ in range(6)] == [403] * 5 + [429]
    assert log_in(client, "viewer", PASSWORD) == 429
    assert log_in(client, "operator", PASSWORD) == 303  # others are not locked out


@pytest.mark.usefixtures("cheap_logins")
def test_after_twenty_failures_an_address_waits(app: FastAPI) -> None:
    client = browser(app, None)
    assert {log_in(client, f"name {number}", "wrong") for number in range(20)} == {403}
    assert log_in(client, "viewer", PASSWORD) == 429


def test_names_typed_at_failed_logins_are_not_kept(app: FastAPI) -> None:
    log_in(browser(app, None), "my secret password", "viewer")
    assert b"my secret password" not in journal_of(app).path.read_bytes()
    wal = journal_of(app).path.with_name("journal.db-wal")
    assert b"my secret password" not in wal.read_bytes()


def test_the_cookie_is_for_this_site_alone_and_secure_behind_https(app: FastAPI) -> None:
    for scheme, secure in (("http", False), ("https", True)):
        client = TestClient(app, base_url=f"{scheme}://console", follow_redirects=False)
        data = {"name": "viewer", "password": PASSWORD}
        answer = client.post("/login", data={**data, "csrf_token": csrf_token(client.get("/login").text)})
        cookie = next(item for item in answer.headers.get_list("set-cookie") if item.startswith(COOKIE))
        assert "HttpOnly" in cookie
        assert "SameSite=lax" in cookie
        assert ("Secure" in cookie) is secure


def test_a_forged_cookie_lets_nobody_in(app: FastAPI) -> None:
    client = browser(app)
    key, _, signature = client.cookies[COOKIE].rpartition(".")
    for forged in (key, f"{key}.{signature[:-2]}xx", "x.y", ""):
        stranger = browser(app, None)
        stranger.cookies.set(COOKIE, forged)
        assert stranger.get("/").headers["location"] == "/login"


def test_logging_out_ends_the_session_for_who_has_copied_the_cookie_too(app: FastAPI) -> None:
    client, thief = browser(app), browser(app, None)
    thief.cookies.set(COOKIE, client.cookies[COOKIE])
    assert thief.get("/").status_code == 200
    client.post("/logout")
    assert thief.get("/").headers["location"] == "/login"


def test_a_new_password_and_a_disabled_user_end_every_session(app: FastAPI) -> None:
    administrator = browser(app)
    for action, data in (("password", {"password": "other words that differ"}), ("disable", {})):
        client = browser(app, Role.VIEWER) if action == "password" else browser(app, Role.OPERATOR)
        name = "viewer" if action == "password" else "operator"
        assert client.get("/").status_code == 200
        answer = administrator.post(f"/users/{action}", data={"name": name, "reason": "test", **data})
        assert answer.status_code == 303
        assert client.get("/").headers["location"] == "/login"
    assert log_in(browser(app, None), "operator", PASSWORD) == 403


def test_a_session_ends_when_nobody_uses_it(tmp_path: Path) -> None:
    with console(console_config(tmp_path, extra="")) as app:
        client = browser(app)
        with journal_of(app)._transaction():
            journal_of(app)._execute("UPDATE sessions SET seen_at = '2020-01-01T00:00:00.000000+00:00'")
        assert client.get("/").headers["location"] == "/login"


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR])
def test_only_an_administrator_manages_users(app: FastAPI, role: Role) -> None:
    client = browser(app, role)
    assert client.get("/users").status_code == 403
    assert "/users" not in client.get("/").text
    data = {"name": role.value, "role": "administrator", "reason": "because"}
    assert client.post("/users/role", data=data).status_code == 403
    assert client.get("/api/users").status_code == 403
    account = journal_of(app).account(role.value)
    assert account is not None
    assert account.role is role


def test_the_last_administrator_stays(app: FastAPI) -> None:
    client = browser(app)
    answer = client.post("/users/disable", data={"name": "administrator", "reason": "leaving"})
    assert answer.status_code == 409
    assert "only administrator" in answer.text


def test_a_change_is_journalled_with_person_and_reason(app: FastAPI) -> None:
    browser(app).post("/users/role", data={"name": "viewer", "role": "operator", "reason": "new duty"})
    (change,) = journal_of(app).changes()
    assert (change.user, change.action, change.subject) == ("administrator", "user.role", "viewer")
    assert (change.reason, change.detail) == ("new duty", "role operator")


def test_a_change_without_a_reason_is_refused(app: FastAPI) -> None:
    answer = browser(app).post("/users/role", data={"name": "viewer", "role": "operator", "reason": ""})
    assert answer.status_code == 422
    assert journal_of(app).changes() == []


def test_a_token_is_shown_once_bound_to_its_role_and_revocable(app: FastAPI) -> None:
    administrator = browser(app)
    page = administrator.post(
        "/users/tokens", data={"name": "dashboard", "role": "viewer", "reason": "the wall"}
    ).text
    secret = re.search(r"rdxa_[\w-]{43}", page)
    assert secret is not None
    assert secret[0] not in administrator.get("/users").text
    assert secret[0].encode() not in journal_of(app).path.read_bytes()
    program = TestClient(app, headers={"Authorization": f"Bearer {secret[0]}"})
    assert program.get("/api/overview").status_code == 200
    assert program.get("/api/users").status_code == 403
    (token,) = journal_of(app).tokens()
    administrator.post("/users/tokens/revoke", data={"token_id": token.id, "reason": "wall is down"})
    assert program.get("/api/overview").status_code == 401


def test_a_program_makes_and_revokes_tokens(app: FastAPI) -> None:
    administrator = browser(app)
    wanted = {"name": "nightly", "role": "operator", "reason": "reprocessing"}
    made = administrator.post("/api/users/tokens", json=wanted).json()
    answer = administrator.post(f"/api/users/tokens/{made['id']}/revoke", json={"reason": "over"})
    assert answer.json()["revoked_at"] or journal_of(app).tokens()[0].revoked_at
    assert administrator.post("/api/users/tokens", json=wanted).status_code == 409


def test_auditors_hear_of_logins_failures_logouts_and_changed_users(tmp_path: Path) -> None:
    with console(console_config(tmp_path, extra=AUDIT)) as app:
        log_in(browser(app, None), "viewer", "wrong")
        log_in(browser(app, None), "typed by mistake", "wrong")
        client = browser(app)
        client.post("/users/role", data={"name": "viewer", "role": "operator", "reason": "duty"})
        client.post("/logout")
        messages = [item.message for item in journal_of(app).spooled_audits()]
    failed, unknown, login, changed, logout = messages
    assert 'EventOutcomeIndicator="4"' in failed
    assert 'UserID="viewer"' in failed
    assert 'UserID="unknown"' in unknown
    assert "Login" in login
    assert 'EventOutcomeIndicator="0"' in login
    assert 'NetworkAccessPointID="testclient"' in login
    assert "User Security Attributes Changed" in changed
    assert "Logout" in logout


def test_headers_forbid_everything_from_elsewhere(app: FastAPI) -> None:
    for path in ("/login", "/nothing", "/static/console.css"):
        headers = browser(app, None).get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
    assert browser(app).get("/").headers["cache-control"] == "no-store"


def test_no_template_has_inline_script_or_style() -> None:
    templates = Path(__file__).parents[2] / "dicom_node" / "web" / "templates"
    for path in sorted(templates.rglob("*.html")):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"<script(?![^>]*\bsrc=)", text), path
        assert not re.search(r"<style|<[^>{%]*\s(?:style|on[a-z]+)=|javascript:", text), path
        assert not re.search(r"(?:src|href)=[\"']?(?:https?:)?//", text), path
        assert "|safe" not in text.replace(" ", ""), path


def test_nobody_makes_the_console_read_what_no_form_holds(app: FastAPI) -> None:
    stranger = browser(app, None)
    huge = b"x" * 2_000_000
    assert stranger.post("/login", content=huge).status_code == 413
    assert stranger.post("/api/users/tokens", content=iter([huge])).status_code == 413


def test_the_key_is_for_the_node_alone(app: FastAPI) -> None:
    path = app.state.config.node.data_dir / KEY_FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("target", ["//elsewhere.example/", "https://elsewhere.example/", "/\\elsewhere"])
def test_a_login_leads_to_our_own_pages_only(app: FastAPI, target: str) -> None:
    client = browser(app, None)
    page = client.get("/login", params={"next": target})
    data = {"name": "viewer", "password": PASSWORD, "next": target, "csrf_token": csrf_token(page.text)}
    assert client.post("/login", data=data).headers["location"] == "/"


def test_behind_a_proxy_every_address_starts_with_its_path(tmp_path: Path) -> None:
    config = console_config(tmp_path)
    from dataclasses import replace

    with console(replace(config, console=replace(config.console, root_path="/radius"))) as app:
        client = TestClient(app, follow_redirects=False)
        assert client.get("/").headers["location"] == "/radius/login"
        page = client.get("/login").text
        addresses = re.findall(r'(?:href|src|action)="(/[^"]*)"', page)
        assert addresses
        assert all(address.startswith("/radius/") for address in addresses)
