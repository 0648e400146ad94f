"""Who may ask: names of hosts, pages of other sites, the token; and what a browser may do with an answer."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from fastapi.testclient import TestClient
from starlette.websockets import WebSocketDisconnect
from tests.serve.conftest import HERE

from earmark.errors import EarmarkError
from earmark.serve.app import build
from earmark.serve.guard import POLICY, cookie_of
from earmark.serve.settings import Settings

TOKEN = "of sixteen or more"


@pytest.fixture(scope="module")
def kept(esc10):
    settings = Settings(host="0.0.0.0", token=TOKEN, names=("sounds.example",))
    with TestClient(build(settings, {"esc10": esc10}), base_url="https://sounds.example") as client:
        yield client


@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1", "[::1]:8000", "192.168.1.7:8000"])
def test_own_names(service, host):
    assert service.get("/healthz", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example:8000", "127.0.0.1.evil.example", "", "a b"])
def test_names_of_others(service, host):
    answer = service.get("/v1/taggers", headers={"Host": host})
    assert answer.status_code == 421 and "start it with --name" in answer.json()["error"]


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "http://evil.example"}, {"Origin": "null"}, {"Origin": "http://localhost:9000"}, {"Sec-Fetch-Site": "cross-site"},
     {"Sec-Fetch-Site": "same-site"}],
)  # fmt: skip
def test_pages_of_other_sites(service, headers):
    for method, path in (("POST", "/v1/tags"), ("DELETE", "/v1/recordings/x"), ("POST", "/v1/session")):
        answer = service.request(method, path, headers=headers)
        assert (answer.status_code, answer.json()) == (
            403,
            {"error": "this was asked by a page of another site, which may not"},
        )
    with pytest.raises(WebSocketDisconnect), service.websocket_connect("ws://localhost/v1/live", headers=headers):
        pass


def test_no_answer_is_for_other_sites(service):
    answer = service.get("/v1/taggers", headers={"Origin": "http://evil.example"})
    assert not [name for name in answer.headers if name.startswith("access-control")]
    assert service.options("/v1/tags", headers={"Origin": "http://evil.example"}).status_code == 405


@pytest.mark.parametrize("path", ["/", "/page/main.js", "/page/nothing.js", "/v1/taggers", "/nowhere", "/openapi.json"])
def test_headers_of_every_answer(service, path):
    headers = service.get(path).headers
    assert headers["content-security-policy"] == POLICY and "unsafe" not in POLICY and "http" not in POLICY
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-resource-policy"] == "same-origin"


@pytest.mark.parametrize("path", ["/page/../app.py", "/page/%2e%2e/app.py", "/page/..%2fapp.py", "/page//etc/passwd"])
def test_the_page_is_all_that_is_served_of_the_package(service, path):
    assert service.get(path).status_code == 404


def test_the_token(kept):
    for headers in (
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": TOKEN},
        *(
            {"Cookie": f"{name}={value}"}
            for name in ("earmark", "earmark-443", "earmark-80")
            for value in ("wrong", TOKEN)
        ),
    ):
        for path in ("/v1/taggers", "/metrics", "/openapi.json", "/v1/recordings/x"):
            answer = kept.get(path, headers=headers)
            assert (answer.status_code, answer.headers.get("www-authenticate")) == (401, "Bearer"), path
    assert kept.get("/v1/taggers", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200
    for path in ("/", "/healthz", "/readyz", "/page/main.js"):
        assert kept.get(path).status_code == 200


def test_the_page_trades_it_for_a_cookie(kept):
    assert kept.post("/v1/session", json={"token": "wrong"}).json() == {"error": "this is not the service's token"}
    told = kept.post("/v1/session", json={"token": TOKEN}).headers["set-cookie"]
    assert cookie_of(TOKEN) in told and TOKEN not in told
    assert all(word in told.lower() for word in ("httponly", "samesite=strict", "secure"))
    assert kept.get("/v1/taggers").status_code == 200  # by the cookie
    kept.delete("/v1/session")
    assert kept.get("/v1/taggers").status_code == 401


def test_two_services_of_a_machine_log_nobody_out(esc10):
    """Browsers keep one cookie of a name for all ports of a host: who enters at one port is not sent away at the other."""
    jar = httpx.Cookies()
    services = []
    with ExitStack() as held:
        for port in (8001, 8002):
            token = f"{port}-{TOKEN}"
            app = build(Settings(token=token), {"esc10": esc10})
            client = held.enter_context(TestClient(app, base_url=f"http://localhost:{port}"))
            client.cookies.jar = jar.jar
            assert client.post("/v1/session", json={"token": token}).status_code == 200
            services.append(client)
        assert [client.get("/v1/taggers").status_code for client in services] == [200, 200]
        services[0].delete("/v1/session")
        assert [client.get("/v1/taggers").status_code for client in services] == [401, 200]


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.7", "::", "sounds.example"])
def test_other_machines_need_a_token(host):
    with pytest.raises(EarmarkError, match="can be reached from other machines: set a token"):
        Settings(host=host).check()
    Settings(host=host, token=TOKEN).check()


@pytest.mark.parametrize("token", ["short", "é" * 20, "with\na line of its own"])
def test_tokens_that_are_none(token):
    with pytest.raises(EarmarkError, match="give 16 or more, of ASCII"):
        Settings(token=token).check()


@pytest.mark.parametrize(
    ("given", "told"),
    [({"state": Path("s")}, "state is for jobs and reviews"), ({"clips": Path("c.csv")}, "clips is for jobs and reviews"),
     ({"recordings": Path(), "dataset": "folder"}, "dataset is the layout of the clips")],
)  # fmt: skip
def test_settings_that_would_count_for_nothing(given, told):
    """As the command refuses them."""
    with pytest.raises(EarmarkError, match=told):
        Settings(**given).check()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.3.2.1"])
def test_this_machine_needs_none(host):
    Settings(host=host).check()


def test_the_address_is_asked_as_it_is(esc10):
    with TestClient(build(Settings(), {"esc10": esc10}), base_url=HERE) as client:
        assert client.get("/").status_code == 200
