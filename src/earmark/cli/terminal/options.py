"""Options that several verbs share, written once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from earmark.cli.terminal.naming import Streams
from earmark.cli.terminal.needing import Idle, Needs, Packages
from earmark.cli.terminal.ours import errors, submission
from earmark.cli.terminal.written import REPORT, OwnFolder, Writes

TABLES = Packages("pyarrow")  # which reads and writes them
DRAWN = Packages("matplotlib", "pyarrow")  # what draws takes the tables of scores along
FORM = Idle("--json", because="results are JSON then", same="json")  # of --format, where there are both
Tagger = Annotated[str, typer.Option(help="A tagger file, or the name of a shipped one.")]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON on stdout.")]
Channel = Annotated[int | None, typer.Option(min=1, help="Hear this channel, from 1; default: all, mixed.")]
EachChannel = Annotated[bool, typer.Option("--each-channel", help="Hear every channel by itself.")]
Channels = Annotated[int | None, typer.Option(help="Of raw samples; default: 1.")]
Draw = Annotated[
    Literal["groups", "clips"],
    typer.Option(help="What the bootstrap draws: clips where sources tie nearly all of them into one group."),
]
Encoding = Annotated[
    str | None, typer.Option(help="Of raw samples: u8, s16le (the default), s16be, s24le, s32le, f32le or f64le.")
]
Gain = Annotated[float, typer.Option(help="dB by which sound is made louder before it is heard; for quiet recordings.")]
Floor = Annotated[
    float | None,
    typer.Option(
        help="dBFS: windows that stay below hold nothing (-inf: none); default: by what the tagger learnt, or -50."
    ),
]
Hop = Annotated[
    str | None, typer.Option(help="Seconds between windows, such as 0.5 or 51200/44100; default: the tagger's own.")
]
Hit = Annotated[
    Literal["sed_eval", "length"],
    typer.Option(help="Offsets may also be 20 % of the event off, or it is found for 80 % of its length (paper 003)."),
]
Job = Annotated[
    Path | None,
    typer.Option(help="A folder for the results; after a kill the same command goes on where it was."),
    OwnFolder(stored=True),
]
Live = Annotated[bool, typer.Option("--live", help="Listen to a microphone until Ctrl-C.")]
InMerged = Annotated[
    Path | None,
    typer.Option(help="A table of tag and merged, or a shipped one's name: tell of the merged tags."),
    TABLES,
]
JudgedAs = Annotated[
    Literal["one", "many"] | None,
    typer.Option(help="Judge as one tag a clip, its highest score, or as many; default: as the taggers answer."),
]
On = Annotated[
    str | None,
    typer.Option(help="ray: share the work out over the machines of a Ray cluster; needs --job.", metavar="[ray]"),
]
Address = Annotated[
    str | None, typer.Option(help="Of a Ray cluster that runs; default: one is started here for the while.")
]
Cluster = Annotated[
    list[str] | None,
    typer.Option(
        help="key=value: nets, decoders, cores (of a net), piece (minutes), patience (seconds), cpus (of one started here)."
    ),
]
Merge = Annotated[
    Path | None, typer.Option(help="A table of tag and merged, or a shipped one's name: judge in the merged tags.")
]
MergeBy = Annotated[
    Literal["highest", "sum"],
    typer.Option(help="Of merged tags: the surest one's score, or their sum."),
    Needs("--merge", of="merged tags"),
]
Rate = Annotated[int | None, typer.Option(help="Hz, of raw samples, or of the microphone.")]
Recordings = Annotated[
    list[Path] | None,
    typer.Argument(
        help="Recordings, folders that are walked for some, tables with a column path; - for raw samples on standard input."
    ),
    Streams(),
]
RecipeSettings = Annotated[list[str] | None, typer.Option("--set", help="key.path=value, over the recipe's.")]
Shard = Annotated[
    str | None,
    typer.Option(
        help="Of a job: one part of the recordings, 3/50 the third of fifty; without it, all parts are joined."
    ),
]
Retry = Annotated[bool, typer.Option("--retry", help="Of a job: try again what could not be read.")]
Batch = Annotated[
    int | None,
    typer.Option(min=1, help="Windows scored at once; default: what is fastest here, measured once and remembered."),
]
Data = Annotated[Path, typer.Option(help="The data set's folder, or a manifest.")]
Dataset = Annotated[str | None, typer.Option(help="The folder's layout; default: the one it was trained on.")]
Device = Annotated[str, typer.Option(help="cpu, cuda or mps; auto: a GPU, where torch runs the net and has one.")]
Engine = Annotated[
    Literal["auto", "torch", "onnxruntime", "openvino"],
    typer.Option(help="What runs the net; auto: the first of onnxruntime, openvino and torch that is here and can."),
]
Precision = Annotated[
    Literal["auto", "float32", "bf16", "float16", "int8"],
    typer.Option(
        help="What it computes in; auto: float32. int8 needs a graph of earmark export, float16 torch and a GPU."
    ),
]
Errors = Annotated[Path | None, typer.Option(help="CSV of the recordings that could not be read."), Writes(errors)]
Leaks = Annotated[
    Literal["refuse", "report"],
    typer.Option(help="Groups or equal files on both sides: refuse to go on, or report them."),
    Idle("--seen", because="any clips are allowed then, and what ties them to those learnt from is not looked at"),
]
ReportFolder = Annotated[
    Path | None, typer.Option(help="Where reports go; default: beside a tagger in a run folder."), REPORT
]
Resamples = Annotated[int, typer.Option(min=0, help="Of the bootstrap that gives the intervals.")]
Salvage = Annotated[bool, typer.Option("--salvage", help="Use what can be read of damaged recordings.")]
Seen = Annotated[
    bool,
    typer.Option(
        "--seen", help="Allow clips that the tagger, or an ensemble's weights, learnt from or were chosen on."
    ),
]
Strict = Annotated[bool, typer.Option("--strict", help="Stop at the first recording that cannot be read.")]
Submission = Annotated[
    Path | None,
    typer.Option(help="Also write fname,label: the three likeliest tags of each clip, for DCASE 2018 task 2."),
    Writes(submission),
]
TaggerFile = Annotated[str, typer.Argument(help="A tagger file, or the name of a shipped one.")]
Workers = Annotated[int, typer.Option(min=1, help="Threads that decode.")]


def seconds(option: str, told: str) -> list[float]:
    """Of "0.2,0.4"."""
    from earmark.errors import EarmarkError

    try:
        return [float(each) for each in told.split(",")]
    except ValueError as error:
        raise EarmarkError(f"{option} {told}: give seconds joined by commas, such as 0.2,0.4") from error
