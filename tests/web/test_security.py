from pathlib import Path

import httpx
import pytest

from tests.web.city import PASSWORD, City
from tests.web.conftest import SignedIn, serve
from web.app import create_app
from web.security import MAX_FAILURES, SESSION_COOKIE, FailedSignIns
from web.settings import WebSettings


def test_health_answers_anybody(visitor: httpx.Client) -> None:
    assert visitor.get("/health").json() == {"ok": True}


def test_a_post_from_another_site_is_refused(visitor: httpx.Client) -> None:
    form = {"name": "admin", "password": PASSWORD}
    assert visitor.post("/sign-in", data=form, headers={"origin": "https://evil.example"}).status_code == 403
    assert visitor.post("/sign-in", data=form).status_code == 403
    assert SESSION_COOKIE not in visitor.cookies


def test_signing_out_from_another_site_is_refused(signed_in: SignedIn) -> None:
    client = signed_in("admin")
    assert client.post("/sign-out", headers={"origin": "https://evil.example"}).status_code == 403
    assert client.get("/api/flags").status_code == 200


def test_signing_out_ends_the_session_at_the_server(signed_in: SignedIn, address: str) -> None:
    client = signed_in("admin")
    token = client.cookies[SESSION_COOKIE]
    assert client.post("/sign-out", headers={"origin": address}).status_code == 303
    client.cookies.set(SESSION_COOKIE, token)
    assert client.get("/api/flags").status_code == 401


def test_the_cookie_keeps_scripts_and_other_sites_out(visitor: httpx.Client, address: str) -> None:
    answer = visitor.post("/sign-in", data={"name": "admin", "password": PASSWORD}, headers={"origin": address})
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "secure" not in cookie


def test_behind_tls_the_cookie_is_secure(city: City, settings: WebSettings) -> None:
    secure = WebSettings(districts_path=settings.districts_path, secure_cookie=True)
    with serve(create_app(secure, city.database)) as url:
        answer = httpx.post(f"{url}/sign-in", data={"name": "admin", "password": PASSWORD}, headers={"origin": url})
    assert "secure" in answer.headers["set-cookie"].lower()


def test_the_token_itself_is_not_stored(signed_in: SignedIn, city: City) -> None:
    token = signed_in("auditor").cookies[SESSION_COOKIE]
    with city.database.connection() as conn:
        rows = conn.execute("SELECT token_sha256 FROM web_session").fetchall()
    assert rows
    assert token.encode() not in {row for (row,) in rows}


def test_after_failures_even_the_right_password_has_to_wait(visitor: httpx.Client, address: str) -> None:
    def enter(password: str) -> int:
        form = {"name": "inspector", "password": password}
        return visitor.post("/sign-in", data=form, headers={"origin": address}).status_code

    assert [enter("wrong") for _ in range(MAX_FAILURES)] == [401] * MAX_FAILURES
    assert enter(PASSWORD) == 429


def test_an_unknown_name_reads_like_a_wrong_password(visitor: httpx.Client, address: str) -> None:
    texts = [
        visitor.post("/sign-in", data={"name": name, "password": "wrong"}, headers={"origin": address}).text
        for name in ("admin", "nobody of this name")
    ]
    assert "".join(texts[0].split("nonce")[:1]) == "".join(texts[1].split("nonce")[:1])


def test_failures_are_forgotten_with_time() -> None:
    now = 0.0
    failures = FailedSignIns(clock=lambda: now)
    for _ in range(MAX_FAILURES):
        failures.add("10.0.0.1")
    assert failures.must_wait("10.0.0.1")
    assert not failures.must_wait("10.0.0.2")
    now = 1e6
    assert not failures.must_wait("10.0.0.1")


@pytest.mark.parametrize("path", ["/sign-in", "/api/flags", "/health", "/no-such-page"])
def test_every_answer_carries_the_headers(visitor: httpx.Client, path: str) -> None:
    headers = visitor.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'self'" in policy
    assert "script-src 'self' 'nonce-" in policy
    assert "unsafe-eval" not in policy
    assert "'unsafe-inline'" not in policy.split("script-src")[1].split(";")[0]
    assert headers["x-content-type-options"] == "nosniff"
    assert "referrer-policy" in headers


def test_each_answer_has_its_own_nonce(visitor: httpx.Client) -> None:
    policies = {visitor.get("/sign-in").headers["content-security-policy"] for _ in range(3)}
    assert len(policies) == 3


def test_only_the_tile_server_may_give_images(city: City, settings: WebSettings) -> None:
    tiled = WebSettings(districts_path=settings.districts_path, tile_url="https://tiles.example/{z}/{x}/{y}.png")
    with serve(create_app(tiled, city.database)) as url:
        policy = httpx.get(f"{url}/health").headers["content-security-policy"]
    images = next(part for part in policy.split(";") if part.strip().startswith("img-src"))
    assert "https://tiles.example" in images
    assert policy.count("tiles.example") == images.count("tiles.example")


@pytest.mark.parametrize("target", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)"])
def test_after_signing_in_nobody_is_led_elsewhere(visitor: httpx.Client, address: str, target: str) -> None:
    form = {"name": "admin", "password": PASSWORD, "next": target}
    answer = visitor.post("/sign-in", data=form, headers={"origin": address})
    assert answer.headers["location"] == "/"


def test_no_file_outside_the_public_folders_is_served(visitor: httpx.Client) -> None:
    for path in ("/static/../app.py", "/static/%2e%2e/app.py", "/static/vendor/plotly/datasets/iris.csv.gz"):
        assert visitor.get(path).status_code == 404
    assert not Path("/static").exists()
