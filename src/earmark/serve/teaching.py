"""Trainings over HTTP: begun, watched, stopped; and whether the new tagger is taken."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from earmark.errors import UnknownName
from earmark.serve.api import REFUSALS, SENDS_TOKEN, TAKES_JSON
from earmark.serve.folder import Looked
from earmark.serve.service import Here, Service
from earmark.serve.shapes import OneTraining, Problem, TrainingAsked, TrainingsTold
from earmark.serve.trainings import Trainings

router = APIRouter(
    responses={**REFUSALS, 404: {"model": Problem, "description": "There is no such thing here, or no folder."}},
    tags=["training"],
    dependencies=SENDS_TOKEN,
)
Number = Annotated[int, Path(ge=1, le=2**53, description="Of a training.")]


def _trainings(here: Service) -> Trainings:
    if here.trainings is None:
        raise UnknownName("this service has no folder of recordings: start it with --recordings FOLDER")
    return here.trainings


@router.get("/v1/training")
def all_trainings(here: Here, _: Looked) -> TrainingsTold:
    """The trainings, the newest first; why none can be begun; and of each tagger how many answers it could learn from."""
    trainings = _trainings(here)
    counts = {name: sum(count for _, count in trainings.answers(name)) for name in list(here.taggers)}
    return TrainingsTold(
        lacks=trainings.lacks(),
        answers=counts,
        gone={name: trainings.gone(name) for name in counts},
        trainings=[OneTraining(**each) for each in trainings.all()],
    )


@router.post("/v1/training", status_code=202, responses=TAKES_JSON)
def begin(asked: TrainingAsked, here: Here) -> OneTraining:
    """Train a tagger again, with what people said of events of its tags. The same answers go on with a training that stopped."""
    trainings = _trainings(here)
    name, _ = here.tagger(asked.tagger)
    return OneTraining(**trainings.told(trainings.begin(name)))


@router.get("/v1/training/{number}")
def one_training(number: Number, here: Here) -> OneTraining:
    """How far a training is, and what changed when it is done."""
    return OneTraining(**_trainings(here).told(number))


@router.post("/v1/training/{number}/stop")
def stop(number: Number, here: Here) -> OneTraining:
    """Stop a training; it can go on."""
    trainings = _trainings(here)
    trainings.stop(number)
    return OneTraining(**trainings.told(number))


@router.post("/v1/training/{number}/take")
def take(number: Number, here: Here) -> OneTraining:
    """Its tagger answers from now on in the place of the one that it stands on, which stays as NAME-before-NUMBER."""
    trainings = _trainings(here)
    trainings.take(number)
    here.memory.clear()
    return OneTraining(**trainings.told(number))


@router.post("/v1/training/{number}/reject")
def reject(number: Number, here: Here) -> OneTraining:
    """The tagger that it stands on answers, also where the new one was taken before. Its file stays."""
    trainings = _trainings(here)
    trainings.reject(number)
    here.memory.clear()
    return OneTraining(**trainings.told(number))
