"""Texts that come over HTTP and are kept, or stand in files: each is one line that people can read, or is refused."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from tests.serve.test_folder import run

from earmark.registry import EVENT_FORMATS

ODD = {
    "\0": "0x00",
    "\n": "0x0A",
    "\r": "0x0D",
    "\t": "0x09",
    "\x1b": "0x1B",
    "\x7f": "0x7F",
    "\x85": "0x85",
    "\u2028": "0x2028",
}


def strings(spec: dict[str, Any], schema: dict[str, Any]) -> list[str]:
    """The properties of a body that take any text."""
    told = spec["components"]["schemas"][schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    return [
        name
        for name, each in told.get("properties", {}).items()
        if any(one.get("type") == "string" and "enum" not in one for one in [each, *each.get("anyOf", [])])
    ]


def test_every_text_of_a_body_is_one_line(folder):
    """Those that nobody keeps name what there is: a tagger, the token."""
    job = run(folder, threshold=0.1)
    at = f"/v1/jobs/{job['id']}"
    event = folder.get(f"{at}/next").json()["event"]["id"]
    usual = {"other": {"event": event, "answer": "other"}}
    spec = folder.get("/openapi.json").json()
    seen = set()
    for path, methods in spec["paths"].items():
        for method, told in methods.items():
            schema = told.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
            for name in strings(spec, schema) if schema else []:
                for sign, code in ODD.items():
                    body = usual.get(name, {}) | {name: f"ow{sign}l"}
                    answer = folder.request(method.upper(), path.format(job=job["id"], number=1), json=body)
                    seen.add(name)
                    if name == "token":  # of a service that has none
                        continue
                    assert answer.status_code == (404 if name == "tagger" else 422), (path, name, answer.text)
                    if name == "other":
                        told = f"other: holds a control character ({code}), which files of events and tables cannot tell: leave"
                        assert answer.json()["error"].startswith(told), answer.text
    assert seen == {"other", "tagger", "token"}
    assert folder.get(f"{at}/figures").json()["asked"] == 0
    said = usual["other"] | {"other": " Große Eule, tawny‑owl 🦉\n"}  # blanks around it are nobody's
    assert folder.post(f"{at}/reviews", json=said).status_code == 201
    (row,) = csv.DictReader(io.StringIO(folder.get(f"{at}/reviews").text))
    assert row["right_tag"] == "Große Eule, tawny‑owl 🦉"


@pytest.mark.parametrize("path", ["/v1/tags", "/v1/events", "/v1/embeddings", "/v1/recordings"])
def test_a_recording_is_called_by_one_line(service, tone, path):
    for sign, code in ODD.items():
        answer = service.post(path, params={"name": f"a{sign}b.wav"}, content=tone.read_bytes())
        assert answer.status_code == 422, (path, answer.text)
        assert answer.json()["error"] == (
            f"the name holds a control character ({code}), which files of results cannot tell: leave it out"
        )
    form = (
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="a\tb.wav"\r\n\r\n'
        + tone.read_bytes()
        + b"\r\n--x--\r\n"
    )
    sent = service.post(path, content=form, headers={"Content-Type": "multipart/form-data; boundary=x"})
    assert sent.status_code == 422 and "(0x09)" in sent.json()["error"]


@pytest.mark.parametrize("form", EVENT_FORMATS.names())
def test_whatever_is_taken_can_be_written(service, tone, form):
    """In every format of events."""
    name = "Große Eule 'x' \"y\", z 🦉\u202e.wav"
    sent = service.post(
        "/v1/events", params={"threshold": 0.01, "format": form, "name": name}, content=tone.read_bytes()
    )
    assert sent.status_code == 200, sent.text
