"""How good scores are: metrics over clips and tags, each with an interval.

A metric is a function of `values` (rows, tags) float, higher = surer, and `truth` (rows, tags) bool; a row is a clip.
The task is "one" (each clip has exactly one tag) or "many" (any number of them).

    accuracy                          one    share of the clips that were answered with their tag
    map, auc                          both   average precision, area under the ROC curve: means over the tags
    dprime                            both   √2 · Φ⁻¹(mean AUC)
    map@3                             both   mean average precision of the three highest tags of a clip (Kaggle)
    f1_micro, f1_macro, f1_clips      many   F1 of all decisions, mean over tags, mean over clips
    log_loss, brier                   one    of probabilities, less is better: −ln of the own tag's, and squared errors
    log_loss_tags, brier_tags         many   the same of each tag's probability, means over clips and tags
    lwlrap                            many   label-weighted label-ranking average precision (FSDKaggle2019)

`f1_micro` is the F of DCASE 2017 task 4 and of paper 001, whose official program calls it "Instance Based". `f1_clips`,
the mean over clips, was called f1_instance here, which is still understood.

These are registered, and `evaluate` measures them with intervals; `compare` tells systems apart on the same clips.
`merge_tags` makes scores of a smaller vocabulary. In time, on lists of events: `match_events`, `match_segments` and
`match_intersections` count, `detection_f1` measures; on scores of frames: `psds`, with the parameters PSDS1 and PSDS2.

Conventions:
- What has no answer is NaN and is left out of means, never counted as nought: a tag without a positive clip (and, for
  AUC and the mean average precision, without a negative one). `undefined` names these tags.
- A truth may be a masked array: what is masked is not known, and is left out of every count, ranking and mean. In task one a
  clip's own tag excludes the others, known or not: there the others are absent.
- Equal scores of one tag share one threshold in average precision and count half in AUC, as in scikit-learn.
- Equal scores of one clip share the lowest of their ranks in lwlrap, as in scikit-learn.
- Where the highest scores of a clip are equal, nothing was decided and the wrong tag is taken to come first: constant
  scores have an accuracy of nought. `answers` says so for accuracy, confusion and F1 of task one alike.
- Intervals are percentile bootstraps over groups: clips of one group are drawn together, or not at all. They hold for
  the tagger as it is; they say nothing about what another training run would give.
- A clip that is drawn twice stands next to itself in the ranking, which lifts average precision in every draw, more so
  the fewer clips a tag has; with hundreds of rare tags the whole interval would lie above the value. Metrics registered
  as `centred` (mAP, macro F1) have the mean of their draws moved to the value. Their interval is about the metric's
  mean over test sets of this size: mAP itself depends on the size.

Every tag is sorted once; a resample is a column of integer weights, which says how often each clip was drawn.
"""

from __future__ import annotations

from earmark.metrics.clips import Clips, Draw, answers, undefined
from earmark.metrics.comparison import Difference, compare, holm
from earmark.metrics.decisions import accuracy, confusion, f1_clips, f1_instance, f1_macro, f1_micro, per_tag
from earmark.metrics.events import (
    Collars,
    Counts,
    DetectionF1,
    Events,
    Timed,
    detection_f1,
    match_events,
    match_segments,
)
from earmark.metrics.intersection import FrameScores, joined, match_intersections
from earmark.metrics.intervals import LEVEL, Interval, centred, evaluate, resample
from earmark.metrics.merging import merge_tags, merge_truth
from earmark.metrics.order import dprime, lwlrap, map_at_k, mean_auc, mean_average_precision
from earmark.metrics.polyphonic import PSDS, PSDS1, PSDS2, Criteria, psds
from earmark.metrics.probabilities import brier, brier_tags, log_loss, log_loss_tags
from earmark.metrics.ranking import Bools, Floats, Ranking, Weights
from earmark.scores import Task

__all__ = [
    "LEVEL",
    "PSDS",
    "PSDS1",
    "PSDS2",
    "Bools",
    "Clips",
    "Collars",
    "Counts",
    "Criteria",
    "DetectionF1",
    "Difference",
    "Draw",
    "Events",
    "Floats",
    "FrameScores",
    "Interval",
    "Ranking",
    "Task",
    "Timed",
    "Weights",
    "accuracy",
    "answers",
    "brier",
    "brier_tags",
    "centred",
    "compare",
    "confusion",
    "detection_f1",
    "dprime",
    "evaluate",
    "f1_clips",
    "f1_instance",
    "f1_macro",
    "f1_micro",
    "holm",
    "joined",
    "log_loss",
    "log_loss_tags",
    "lwlrap",
    "map_at_k",
    "match_events",
    "match_intersections",
    "match_segments",
    "mean_auc",
    "mean_average_precision",
    "merge_tags",
    "merge_truth",
    "per_tag",
    "psds",
    "resample",
    "undefined",
]
