"""`earmark train`: a recipe and clips → a run folder with a tagger in it, or with one for each fold."""

from __future__ import annotations

from earmark.cli.terminal import heads as h
from earmark.cli.terminal import options as o
from earmark.cli.terminal import trainoptions as t

PLACE = 20  # in `earmark --help`


def train(
    out: t.Out,
    recipe: t.Plan = None,
    data: t.Data = None,
    base: h.From = None,
    settings: o.RecipeSettings = None,
    fold: t.Fold = None,
    seeds: t.Seeds = None,
    dataset: h.Layout = None,
    task: h.OfTask = None,
    head: h.Kind = None,
    recordings: h.Unlabelled = None,
    weak_weight: h.WeakWeight = 0.2,
    weak_windows: h.WeakWindows = 2_000,
    copies: h.Copies = 8,
    recall: h.Recall = 0.9,
    embeddings: h.Embeddings = None,
    unfreeze: h.Unfreeze = False,
    resume: t.Resume = False,
    save_every: t.SaveEvery = None,
    workers: t.Decoders = 2,
    processes: t.Processes = 1,
    strict: t.Strict = False,
    salvage: t.Salvage = False,
    device: o.Device = "cpu",
) -> None:
    """Train a tagger. The epoch is chosen on validation clips, never on the fold that is reported.

    With --from nothing is trained but a head on the embeddings of a tagger that is there, in seconds; with --unfreeze its
    net too.
    """
    from earmark.cli.terminal import training

    told = {"resume": resume, "workers": workers, "strict": strict, "salvage": salvage, "device": device}
    if base is None:
        told["every"] = training.every(save_every)
        return training.by_recipe(recipe, settings or [], data, out, fold, seeds, processes, told)
    h.refuse_with_base({"--seeds": seeds, "--processes": processes > 1, "--save-every": save_every})
    weak, within = h.weak(recordings, weak_weight, weak_windows), (copies, recall)
    clips = h.clips_of(recipe, data)
    h.train(
        h.Question(
            base, clips, out, dataset, task, head, embeddings, weak, settings or [], fold, within, unfreeze, device
        ),
        told,
    )
