"""`hunmin human export|import RUN`: the answers of a run to people, and what they say back."""

from collections.abc import Sequence
from pathlib import Path

from eval.human.human_folder import HandedOut, TakenIn, export_forms, import_forms
from eval.human.study.criteria import Language, Mode
from hunmin.errors import InputError
from hunmin.lock import run_lock
from hunmin.schema import CriterionScores, HumanModeScores, Interval
from launcher.commands.run_folder import find_run, stage_command
from launcher.config import load


def hand_out(run: Path, *, mode: Mode, samples: int, raters: int, language: Language) -> HandedOut:
    """Write the forms of a run, drawn by its seed.

    Raises:
        InputError: there is no such run, no sample was asked, or people's work would be lost.
        ArtifactError: eval is not finished.
    """
    folder = find_run(run)
    config, _ = load(folder / "config.yaml", [])
    with run_lock(folder):
        return export_forms(
            folder,
            mode=mode,
            samples=samples,
            raters=raters,
            language=language,
            seed=config.seed,
            cure=stage_command(folder, "eval"),
        )


def take_in(run: Path, files: Sequence[Path]) -> TakenIn:
    """Take in filled forms.

    Raises:
        InputError: there is no such run or file, or a file holds faults.
    """
    folder = find_run(run)
    if not files:
        raise InputError("no FILE: name what came back, such as rater-1.csv or the JSON of the page")
    config, _ = load(folder / "config.yaml", [])
    with run_lock(folder):
        return import_forms(
            folder,
            files,
            num_resamples=config.eval.bootstrap_samples,
            cure=f"hunmin human export {run}",
        )


def handed_out_text(found: HandedOut) -> str:
    """What to do with the forms."""
    lines = [f"written: {found.folder}"]
    lines += [f"  {path.name}" for path in found.files]
    lines.append(f"{found.samples} samples; {found.asked} items in each form.")
    if found.equal_answers:
        lines.append(
            f"{found.equal_answers} of the samples have equal answers: not asked, they count as ties."
        )
    lines.append("Give each rater one file of their number: table, workbook or page. The key stays here.")
    return "\n".join(lines)


def taken_in_text(found: TakenIn) -> str:
    """Who has rated how much, and what came of it."""
    lines = [f"not taken in: {one}" for one in found.unread]
    for mode, raters in found.rated.items():
        lines += [
            f"{mode}, rater {rater}: {done} of {asked} rated" for rater, (done, asked) in raters.items()
        ]
    if found.changed:
        lines.append(f"{found.changed} earlier judgements are other ones now")
    for mode, scores in found.scores["modes"].items():
        lines += ["", *_table(mode, scores)]
    lines += ["", f"{found.pairs} preference pairs. hunmin report puts all this on the page."]
    return "\n".join(lines)


def _table(mode: str, scores: HumanModeScores) -> list[str]:
    """A line a criterion."""
    heads = ("base", "tuned", "difference") if mode == "absolute" else ("win", "tie", "win rate")
    lines = [f"{mode:<14} {heads[0]:>6} {heads[1]:>6}  {heads[2]:<22} alpha"]
    for name, one in scores["criteria"].items():
        alpha = one["alpha"].get("ordinal")
        agreed = "-" if alpha is None else f"{alpha['value']:.2f}"
        lines.append(f"{name:<14} {_values(one)} {agreed}")
    return lines


def _values(one: CriterionScores) -> str:
    if "systems" in one and "delta" in one:
        values = [f"{one['systems'][system]['value']:.2f}" for system in ("base", "tuned")]
        return f"{values[0]:>6} {values[1]:>6}  {_bounded(one['delta'], '+.2f'):<22}"
    if "shares" in one and "win_rate" in one:
        values = [f"{one['shares'][name]:.0%}" for name in ("win", "tie")]
        return f"{values[0]:>6} {values[1]:>6}  {_bounded(one['win_rate'], '.0%'):<22}"
    return f"{'-':>6} {'-':>6}  {'-':<22}"


def _bounded(found: Interval, form: str) -> str:
    value = format(found["value"], form)
    if found["low"] is None or found["high"] is None:
        return value
    return f"{value} [{found['low']:{form}}, {found['high']:{form}}]"
