"""schemathesis against the service's own description: what it makes up, fitting and unfitting, is answered as described."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import hypothesis
import pytest
from fastapi.testclient import TestClient
from tests.serve.conftest import HERE

from earmark.serve.app import build
from earmark.serve.settings import Settings

schemathesis = pytest.importorskip("schemathesis")
TOKEN = "sixteen characters"
HEADERS = {"Host": "localhost", "Authorization": f"Bearer {TOKEN}"}
QUICK, LONG = 2, 20  # requests of each kind to each operation


@pytest.fixture(scope="module")
def described(esc10, clips, tmp_path_factory) -> Iterator[tuple[Any, dict[str, Any]]]:
    """The description, and values of path parameters that only answers tell."""
    root = tmp_path_factory.mktemp("made-up")
    (root / "sounds").mkdir()
    for path in clips[:2]:
        shutil.copy(path, root / "sounds")
    settings = Settings(recordings=root / "sounds", state=root / "state", workers=2, token=TOKEN)
    app = build(settings, {"esc10": esc10})
    with TestClient(app, base_url=HERE, headers=HEADERS) as line:
        job = line.post("/v1/jobs", json={"threshold": 0.1}).json()["id"]
        while line.get(f"/v1/jobs/{job}").json()["state"] == "running":
            time.sleep(0.05)
        known = {"job": job, "id": line.get("/v1/recordings").json()["recordings"][0]["id"]}
        yield schemathesis.openapi.from_asgi("/openapi.json", app, headers=HEADERS), known


def unfitting(case: Any, replaced: bool) -> bool:
    """Whether what is asked is to be refused: where its body does not fit, or its path, if that was not replaced.

    In a query words that nobody knows are passed over, of a word that stands there twice the last counts, and all is text there; the
    token is told in the place of what was made up.
    """
    from schemathesis.core.parameters import ParameterLocation as Place
    from schemathesis.generation import GenerationMode

    parts = case.meta.components if case.meta is not None else {}
    places = {Place.BODY} if replaced else {Place.BODY, Place.PATH}
    return any(place in places and part.mode is GenerationMode.NEGATIVE for place, part in parts.items())


def made_up(described: tuple[Any, dict[str, Any]], count: int) -> int:
    """Ask every operation; how many requests were made. Raises what schemathesis finds."""
    from schemathesis.generation import GenerationMode
    from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

    schema, known = described
    asked = 0
    settings = hypothesis.settings(
        max_examples=count, deadline=None, database=None, derandomize=True, phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )  # fmt: skip
    for result in schema.get_all_operations():
        operation = result.ok()
        for mode in GenerationMode:

            def ask(case: Any) -> None:
                nonlocal asked
                asked += 1
                if asked % 2:  # of what is there, in turns with what is made up
                    case.path_parameters = {
                        name: known.get(name, value) for name, value in (case.path_parameters or {}).items()
                    }
                # what fits the description may make no sense: a body that is no sound, edges that end before their start
                excluded = [positive_data_acceptance]
                if not unfitting(case, replaced=bool(asked % 2)):
                    excluded.append(negative_data_rejection)
                case.call_and_validate(headers=HEADERS, excluded_checks=excluded)

            # of what takes no parameter and no body nothing that does not fit can be made
            nothing = hypothesis.errors.Unsatisfiable if mode is GenerationMode.NEGATIVE else ()
            with suppress(nothing):
                hypothesis.given(case=operation.as_strategy(generation_mode=mode))(settings(ask))()
    return asked


def test_a_few_requests_are_answered_as_described(described):
    assert made_up(described, QUICK) > 60


@pytest.mark.slow
def test_many_requests_are_answered_as_described(described):
    assert made_up(described, LONG) > 1000
