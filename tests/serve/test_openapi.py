"""A client that knows the service's description alone: it makes every request, and every answer is as described."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from tests.schemas import SAID, faults
from tests.serve.conftest import HERE
from tests.serve.test_folder import ended

from earmark.serve.app import build
from earmark.serve.settings import Settings

LENGTHS = {"maxLength", "minLength", "format"}  # that the validator leaves to others


def plain(schema: Any) -> Any:
    """A schema of OpenAPI 3.1 as one of JSON schema alone."""
    if isinstance(schema, list):
        return [plain(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    told = {key: plain(value) for key, value in schema.items() if key not in LENGTHS}
    if isinstance(told.get("$ref"), str):
        told["$ref"] = told["$ref"].replace("#/components/schemas/", "#/$defs/")
    return told


class Client:
    """Requests made from a description. known: values of path parameters, which only answers tell."""

    def __init__(self, line: TestClient, known: dict[str, Any], body: bytes):
        self.line, self.known, self.body = line, known, body
        self.spec = line.get("/openapi.json").json()
        self.defs = plain(self.spec["components"]["schemas"])
        self.chance = random.Random(0)

    def operations(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        for path, told in self.spec["paths"].items():
            for method, operation in told.items():
                yield method, path, operation

    def resolved(self, schema: dict[str, Any]) -> dict[str, Any]:
        return self.defs[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema

    def fitting(self, schema: dict[str, Any]) -> Any:
        """A value as the schema wants it."""
        schema = self.resolved(schema)
        if "anyOf" in schema:
            return self.fitting(self.chance.choice(schema["anyOf"]))
        if "enum" in schema or "const" in schema:
            return self.chance.choice(schema.get("enum") or [schema["const"]])
        low = schema.get("minimum", schema.get("exclusiveMinimum", 0))
        high = min(schema.get("maximum", 10.0), max(low, 20.0))
        match schema.get("type"):
            case "null":
                return None
            case "boolean":
                return self.chance.random() < 0.5
            case "integer":
                return self.chance.randint(int(low), int(max(low, high)))
            case "number":
                return low + (high - low) * (1 - self.chance.random())
            case "object":
                wanted = schema.get("required", [])
                return {
                    key: self.fitting(one)
                    for key, one in schema["properties"].items()
                    if key in wanted or self.chance.random() < 0.5
                }
        return self.chance.choice(["dog", "esc10", "ä b", "x" * 40])

    def unfit(self, schema: dict[str, Any]) -> list[Any]:
        """Values that the schema refuses."""
        kinds = [self.resolved(each) for each in schema.get("anyOf", [schema])]
        found: list[Any] = []
        for each in kinds:
            found += [each["minimum"] - 1] if "minimum" in each else []
            found += [each["exclusiveMinimum"]] if "exclusiveMinimum" in each else []
            found += [each["maximum"] * 2 + 1] if "maximum" in each else []
            found += ["none of them"] if "enum" in each else []
            found += ["x" * (each["maxLength"] + 1)] if "maxLength" in each else []
            found += ["no number", "nan", "inf"] if each.get("type") in ("integer", "number") else []
        return found

    def ask(self, method: str, path: str, operation: dict[str, Any], wrong: tuple[str, Any] | None = None) -> Any:
        question: dict[str, Any] = {}
        headers: dict[str, str] = {}
        for told in operation.get("parameters", []):
            mostly = told["in"] == "path" or (told.get("required") and self.chance.random() < 0.5)
            value = self.known.get(told["name"]) if mostly else None
            if value is None and (told.get("required") or self.chance.random() < 0.4) and told["in"] != "header":
                value = self.fitting(told["schema"])
            if wrong is not None and told["name"] == wrong[0]:
                value = wrong[1]
            if told["in"] == "path":
                path = path.replace("{" + told["name"] + "}", str(value))
            elif value is not None:
                (headers if told["in"] == "header" else question)[told["name"]] = value
        more: dict[str, Any] = {}
        content = operation.get("requestBody", {}).get("content", {})
        if "application/json" in content:
            more["json"] = self.fitting(content["application/json"]["schema"])
        elif "multipart/form-data" in content and self.chance.random() < 0.5:
            more["files"] = dict.fromkeys(content["multipart/form-data"]["schema"]["required"], ("t.wav", self.body))
        elif content:
            more["content"] = self.body
            headers["Content-Type"] = "application/octet-stream"
        return self.line.request(method.upper(), path, params=question, headers=headers, **more)

    def check(self, answer: Any, operation: dict[str, Any]) -> None:
        """The status, the type and the form are as described."""
        where = f"{answer.request.method} {answer.request.url} → {answer.status_code} {answer.text[:300]}"
        told = operation["responses"].get(str(answer.status_code))
        assert told is not None, where
        kind = answer.headers["content-type"].partition(";")[0]
        assert kind in told["content"], (where, kind, list(told["content"]))
        if kind == "application/json":
            schema = plain(told["content"][kind]["schema"]) | {"$defs": self.defs}
            assert faults(answer.json(), schema) == [], where


@pytest.fixture(scope="module")
def client(esc10, clips, tmp_path_factory) -> Iterator[Client]:
    import shutil

    root = tmp_path_factory.mktemp("described")
    (root / "sounds").mkdir()
    for path in clips[:2]:
        shutil.copy(path, root / "sounds")
    settings = Settings(recordings=root / "sounds", state=root / "state", workers=2)
    with TestClient(build(settings, {"esc10": esc10}), base_url=HERE) as line:
        job = line.post("/v1/jobs", json={"threshold": 0.1}).json()["id"]
        while line.get(f"/v1/jobs/{job}").json()["state"] == "running":
            time.sleep(0.05)
        known = {"job": job, "id": line.get("/v1/recordings").json()["recordings"][0]["id"], "tag": "dog"}
        yield Client(line, known, clips[0].read_bytes())


def test_the_description_is_whole(client):
    assert client.spec["openapi"].startswith("3.1") and client.spec["info"]["title"] == "earmark"
    operations = list(client.operations())
    assert len(operations) > 25
    assert len({operation["operationId"] for *_, operation in operations}) == len(operations)
    for method, path, operation in operations:
        assert operation["description"].strip(), (method, path)
        for status, told in operation["responses"].items():
            if status == "304":  # which has none, by HTTP
                assert "content" not in told and told["description"]
                continue
            assert told["content"], (method, path, status)
            if status >= "400" and (status, path) != ("503", "/readyz"):
                (kind,) = told["content"].values()
                assert kind["schema"]["$ref"].endswith("/Problem"), (method, path, status)
        for parameter in operation.get("parameters", []):
            assert "schema" in parameter
    assert "HTTPBearer" in client.spec["components"]["securitySchemes"]
    assert not {"HTTPValidationError", "ValidationError"} & set(client.defs)


def integers(client: Client, schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """All that a schema has of them, in whatever it holds."""
    schema = client.resolved(schema)
    if schema.get("type") == "integer":
        yield schema
    inner = [*schema.get("anyOf", []), *schema.get("properties", {}).values()]
    for each in (*inner, *([schema["items"]] if "items" in schema else [])):
        yield from integers(client, each)


def test_every_number_that_is_asked_for_has_bounds(client):
    """A whole number without any would reach the database, which holds 64 bits of one."""
    asked = 0
    for method, path, operation in client.operations():
        told = [each["schema"] for each in operation.get("parameters", [])]
        told += [each["schema"] for each in operation.get("requestBody", {}).get("content", {}).values()]
        for schema in told:
            for each in integers(client, schema):
                assert each["minimum"] >= -(2**53) and each["maximum"] <= 2**53, (method, path, each)
                asked += 1
    assert asked > 20
    answer = client.line.post(f"/v1/jobs/{client.known['job']}/reviews", json={"event": 2**64, "answer": "right"})
    assert answer.status_code == 422 and "event" in answer.json()["error"]


def test_requests_from_the_description_are_answered_as_described(client):
    fine = set()
    for _turn in range(6):
        for method, path, operation in client.operations():
            if method == "delete" and path.endswith("/{id}"):
                continue
            if path.endswith("/retry"):  # is refused while the job runs
                ended(client.line, client.known["job"])
            answer = client.ask(method, path, operation)
            client.check(answer, operation)
            if answer.status_code < 300:
                fine.add((method, path))
    every = {(method, path) for method, path, _ in client.operations()}
    # a recording of the folder is not deleted, answers to made-up events are refused, and without clips nothing is trained
    refused = {("delete", "/v1/recordings/{id}"), ("post", "/v1/jobs/{job}/reviews"), ("post", "/v1/training")}
    of_none = {(method, path) for method, path in every if path.startswith("/v1/training/{number}")}
    assert every - fine <= refused | of_none, every - fine


def test_values_that_the_description_refuses_are_refused(client):
    asked = 0
    for method, path, operation in client.operations():
        for parameter in operation.get("parameters", []):
            for value in client.unfit(parameter["schema"]):
                answer = client.ask(method, path, operation, (parameter["name"], value))
                assert answer.status_code in (404, 422), (method, path, parameter["name"], value, answer.text[:200])
                client.check(answer, operation)
                asked += 1
    assert asked > 100


def test_parameters_that_no_endpoint_knows_are_refused(client):
    """In every endpoint of the description, whatever else is asked, and before a body is read."""
    asked = 0
    for method, path, operation in client.operations():
        known = [each["name"] for each in operation.get("parameters", []) if each["in"] == "query"]
        at = path.format(**{"id": "x", "job": 1, "number": 1, "event": 1} | client.known)
        for name in ["zzzz", *(f"{each[:-1]}q{each[-1]}" for each in known)]:
            answer = client.line.request(method.upper(), at, params={name: "1"}, content=b"no sound")
            told = answer.json()["error"]
            assert answer.status_code == 422 and told.startswith(f"{name}: {path} takes no such parameter"), told
            assert name == "zzzz" or "did you mean '" in told, told
            assert all(each in told for each in known) and (known or "takes none" in told), told
            client.check(answer, operation)
            asked += 1
        for name in known:
            answer = client.line.request(method.upper(), f"{at}?{name}=1&{name}=2", content=b"no sound")
            assert answer.status_code == 422 and "is given 2 times" in answer.json()["error"], answer.text
    assert asked > 100


def test_the_misspelt_parameter_is_told(client):
    answer = client.line.post("/v1/events?treshold=0.99", content=client.body)
    assert answer.json()["error"].startswith(
        "treshold: /v1/events takes no such parameter, did you mean 'threshold'? It takes tagger,"
    )


def test_what_a_browser_opens_takes_whatever_a_link_has(client):
    assert client.line.get("/?from=a-mail").status_code == 200


def test_it_knows_every_word_of_the_schemas():
    assert not LENGTHS & SAID
