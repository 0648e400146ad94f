# ruff: noqa: F811 (fixtures of the tests of heads)
"""What is wrong with the training of a net, or with reserved tags, is told before a head is learnt."""

from __future__ import annotations

import pytest
from tests.heads.test_run import base, clips  # noqa: F401 (fixtures)

from earmark.errors import EarmarkError, RecipeError
from earmark.models import loading

training = pytest.importorskip("earmark.train")
from earmark.train.heads import run, unfreezing  # noqa: E402 (after the skip)
from earmark.train.precision import ON_CPU  # noqa: E402


@pytest.mark.parametrize(
    ("setting", "told"),
    [("train.precision=fp16", ON_CPU), ("train.optimiser.betas=[2, 0.9]", "train.optimiser.betas.0: ")],
)
def test_what_is_wrong_with_a_net_is_told_before_its_head_is_learnt(base, clips, tmp_path, setting, told):
    tagger = run.load_base(str(base))
    plan = training.rotations(run.plan(tagger, clips, "base", validation=0.2), clips)["1"]
    with pytest.raises(RecipeError) as caught:
        unfreezing.train(tagger, "base", plan, clips, tmp_path / "run", run.Asked("prototypes"), settings=[setting])
    assert told in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_head_never_tells_what_is_reserved_and_is_told_of_names_that_are_none(base, clips, tmp_path):
    tagger, asked = run.load_base(str(base)), run.Asked("prototypes")
    named = clips.vocabulary[0]
    for names in ([named], None, ["nothing"]):
        settings = [] if names is None else [f"data.reserved={names}"]
        plan = training.rotations(run.plan(tagger, clips, "base", settings=settings), clips)["1"]
        if names == ["nothing"]:
            with pytest.raises(EarmarkError, match="data.reserved: no clip has 'nothing'"):
                run.train(tagger, "base", plan, clips, tmp_path / "none", asked)
            assert not (tmp_path / "none").exists()
            continue
        path = run.train(tagger, "base", plan, clips, tmp_path / str(names is None), asked)
        assert loading.load(path).facts.reserved == (None if names is None else (named,))
