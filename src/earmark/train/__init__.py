"""Training: a recipe and a manifest → a run folder with a tagger in it. See `earmark.train.folder` for what it holds.

Every random draw is seeded by (seed, epoch, …) and the state is replaced in one step at the end of each epoch, so a run
that is killed and resumed ends with the same bytes as one that is not.
"""

from earmark.train.folds import divide, rotations
from earmark.train.run import train

__all__ = ["divide", "rotations", "train"]
