"""An S3 server on loopback, and what the environment says of it: fixtures for tests of several folders."""

from __future__ import annotations

from typing import Any

import pytest

from earmark.files import stores


@pytest.fixture
def endpoint(monkeypatch):
    """How to say which store it is."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setattr(stores, "LISTED", {})
    return lambda url: monkeypatch.setenv("AWS_ENDPOINT_URL", url)


@pytest.fixture(scope="session")
def served():
    server_module = pytest.importorskip(
        "moto.server", reason="the S3 server of the tests is not here: pip install 'moto[server]'"
    )
    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield server, f"http://{host}:{port}"
    server.stop()


def bucket_of(url: str) -> Any:
    """The server, with an empty bucket called bucket."""
    from pyarrow import fs

    system = fs.S3FileSystem(
        access_key="key", secret_key="secret", region="us-east-1", scheme="http",
        endpoint_override=url.removeprefix("http://"), allow_bucket_creation=True,
    )  # fmt: skip
    system.create_dir("bucket")
    system.delete_dir_contents("bucket")
    return system
