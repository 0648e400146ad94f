"""`earmark calibrate` for a goal: what is asked for, what is printed of what was chosen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from earmark.cli.terminal.console import print_json, print_table, say, say_notes
from earmark.cli.terminal.tuned import store
from earmark.errors import agreed, counted
from earmark.evaluation.wording import number

if TYPE_CHECKING:
    from earmark.evaluation.goals import Reaching
    from earmark.evaluation.thresholds.goals import Goal


def goal_of(data: Path | None, precision: float | None, false_alarms: str | None, reviews: Path | None) -> Goal | None:
    """The goal; None: the best F1. Raises EarmarkError for what does not go together."""
    from earmark.errors import EarmarkError
    from earmark.evaluation.thresholds.goals import Goal, parse_rate

    if (data is None) == (reviews is None):
        raise EarmarkError(
            "give --data with clips or recordings to choose on, or --reviews with a table that was filled in"
        )
    if precision is None and false_alarms is None:
        if reviews is not None:
            raise EarmarkError(
                f"--reviews {reviews}: say with --precision how many of what is told are to be right, such as 0.9"
            )
        return None
    return Goal(precision, None if false_alarms is None else parse_rate(false_alarms))


def check(merge: Any, tried: Any) -> None:
    """Raises EarmarkError for options of the best F1."""
    from earmark.errors import EarmarkError

    for option, value in (("--merge", merge), ("--tried", tried)):
        if value is not None:
            raise EarmarkError(f"{option} {value}: is of the best F1; leave it, or --precision and --false-alarms, out")


def by_recordings(
    tagger: str, data: Path | None, goal: Goal, file: Path, as_json: bool, options: dict[str, Any]
) -> None:
    """Choose, print and store. options: of `earmark.evaluation.goals.reach`."""
    from earmark.cli.terminal.tuned import rate_of, say_unread
    from earmark.evaluation.goals import reach
    from earmark.inference import process

    assert data is not None  # or reviews would be
    process.take()
    told = reach(tagger, data, goal, **options)
    say_notes(told.notes)
    store(told, file)
    if as_json:
        print_json(told.facts.as_dict())
    else:
        _print_reached(told)
    _say_unmet(told)
    if told.facts.without:
        say(f"no event of these tags is known here, left at 0.5: {', '.join(told.facts.without)}")
    if told.facts.rates:
        say(rate_of(told.facts.rates))
    say(f"{file}: holds these rules now")
    say_unread(told)


def by_reviews(tagger: str, reviews: Path, goal: Goal, device: str, file: Path, as_json: bool) -> None:
    """Choose, print and store."""
    from earmark.evaluation.goals import reach_by_reviews

    told = reach_by_reviews(tagger, reviews, goal, device=device)
    store(told, file)
    rows = []
    for tag, curve in (told.curves or {}).items():
        there = curve.at(told.rules.thresholds[tag])
        figures = map(number, (there.value, there.low, there.high))
        rows.append((tag, f"{told.rules.thresholds[tag]:.3f}", curve.reviews, curve.right, *figures))
    if as_json:
        print_json(told.facts.as_dict())
    else:
        print_table(("tag", "threshold", "reviews", "right", "probability there", "from", "to"), rows)
    for note in told.notes:
        say(note)
    _say_unmet(told)
    for tag, curve in (told.curves or {}).items():
        if told.met and told.met[tag] and told.rules.thresholds[tag] <= curve.low:
            say(
                f"{tag}: the lowest score that was reviewed is right often enough; what scores lower was not found, or not heard"
            )
    say(f"{file}: holds these rules now")


def _print_reached(told: Reaching) -> None:
    rows = []
    for each in told.reached:
        if each.tag in (told.facts.without or ()):
            continue
        share, alarms = each.precision, each.false_alarms
        rows.append(
            (
                each.tag, f"{each.threshold:g}", f"{each.found} of {each.known}", each.told - each.right,
                *map(number, (share.value, share.low, share.high)), *(f"{end:.3g}" for end in (alarms.value, alarms.low, alarms.high)),
            )
        )  # fmt: skip
    columns = ("tag", "threshold", "found", "false", "precision", "from", "to", "false an hour", "from ", "to ")
    print_table(columns, rows)


def _say_unmet(told: Reaching) -> None:
    """Each tag whose goal no threshold reaches, and the best that was."""
    for each in told.reached:
        if not each.met and not each.known and told.goal.precision is not None:
            say(
                f"{each.tag}: no event of it is known here, and with the threshold {each.threshold:g} "
                f"{counted(each.told, 'is', 'are')} told, {agreed(each.told, '', 'all ')}false: "
                "choose with --false-alarms, or leave the tag out of what you read"
            )
        elif not each.met:
            best = (
                f"the best precision is {each.precision.value:.3g}, {each.right:,} right of {each.told:,} told"
                if told.goal.precision
                else f"the fewest are {each.false_alarms.value:.3g} an hour"
            )
            say(
                f"{each.tag}: no threshold reaches {told.goal}; {best}, with the threshold {each.threshold:g}, which is taken"
            )
    for tag, curve in (told.curves or {}).items():
        if told.met and not told.met[tag]:
            best_share = number(curve.at(curve.high).value)
            if not curve.right:
                best = f"none of {counted(curve.reviews, 'review')} was right: its threshold is {told.rules.thresholds[tag]:g}"
            elif curve.slope > 0:
                best = f"at the highest that was reviewed, {curve.high:.3f}, which is taken, {best_share} are right"
            else:
                stays = f"its threshold stays {told.rules.thresholds[tag]:g}"
                best = f"{best_share} are right at any of {curve.low:.3f} to {curve.high:.3f}, and higher ones no more often: {stays}"
            say(f"{tag}: no score reaches {told.goal}; {best}")
