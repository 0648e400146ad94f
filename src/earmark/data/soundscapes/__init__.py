"""Soundscapes with known events, mixed from clips in each of which one thing is heard.

    make_scenes: manifest → sound: where its sound lies in each clip → plan: chance, drawn → render: the plan, applied → folder

Conventions
    apart       A scene is mixed from clips of one fold. A group, or overlapping clips of one recording, on several folds
                is an error. Background recordings are dealt to the folds, each to one.
    quiet ends  The sound of a clip runs from its first to its last frame (10 ms) whose power is no more than `trim` dB
                below that of its loudest frame; the rest is not heard. Where the manifest says when the one event of
                the clip is, it is from there to there.
    events      Onset and offset are those of what is heard, on whole samples. Of a sound longer than
                the scene, a stretch as long as the scene is drawn in which something is heard, and its quiet ends are
                left out too. 5 ms at both ends are faded.
    chance      The number of events is even over its range; so are tags, then clips of the tag, then the onsets that are
                left, then signal-to-noise ratios in dB. A clip is heard once a scene, and events of one tag are never
                heard at once. Where what was drawn does not fit, others are drawn: the later events of full scenes tend
                to be short.
    SNR         20·log10 of the RMS of the event, from onset to offset and as faded, over the RMS of the background
                over the whole scene.
    levels      The RMS of the background is −40 dB of full scale; without background, SNRs count from there. A scene
                with a peak beyond 0.95 is scaled down in whole, and its scale written down. Where 16 bits would lose the softest
                of its events or its background it is written with 24; one that these do not hold is not made.
    the same    A scene depends on the settings, the seed, its fold's clips and its number; not on how many scenes, folds
                or workers there are.

Seconds and Hz outside, samples inside; waves are (samples,) float64 until they are written.
"""

from earmark.data.soundscapes.folder import MixedScene, claim, groups_apart, make, make_all, save_tables
from earmark.data.soundscapes.making import Made, make_scenes
from earmark.data.soundscapes.plan import Mix, PlacedEvent, ScenePlan, SoundPool, TooFew, draw, pool
from earmark.data.soundscapes.render import parts, render
from earmark.data.soundscapes.sound import Single, Sound, backgrounds, locate, locate_all, single

__all__ = [
    "Made",
    "Mix",
    "MixedScene",
    "PlacedEvent",
    "ScenePlan",
    "Single",
    "Sound",
    "SoundPool",
    "TooFew",
    "backgrounds",
    "claim",
    "draw",
    "groups_apart",
    "locate",
    "locate_all",
    "make",
    "make_all",
    "make_scenes",
    "parts",
    "pool",
    "render",
    "save_tables",
    "single",
]  # fmt: skip
