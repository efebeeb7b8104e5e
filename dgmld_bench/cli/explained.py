"""How ``score`` prints a score taken apart: one line by default, everything with ``--explain``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dgmld_bench.terminal import print_whole, titled_table

if TYPE_CHECKING:
    from rich.console import Console

    from dgmld_bench.scoring.explanation import Explanation


def print_short(console: Console, explanation: Explanation) -> None:
    """Print the parts of the error in one line; nothing where the cases are too few to tell."""
    parts = explanation.parts
    if parts is None:
        return
    offset, spread, misses = parts.shares_percent
    console.print(
        f"\n[bold]Squared error:[/] {offset:.0f} % offset, {spread:.0f} % spread, {misses:.0f} % misses; "
        f"without the offset {parts.mre_without_offset_mm.mean():.3f} mm [dim](--explain says more)[/]",
        soft_wrap=True,
    )


def print_explanation(console: Console, values: dict[str, Any], titles: dict[str, str]) -> None:
    """Print everything that a score taken apart says.

    Parameters
    ----------
    console : Console
    values : dict
        What ``Explanation.to_dict`` returns.
    titles : dict
        Landmark -> what to print for it.
    """
    _parts(console, values, titles)
    _definitions(console, values["definitions"], titles)
    _seed_spread(console, values["seed_spread"])
    _confidence(console, values["confidence"])
    _conformal(console, values["conformal"], titles)


def _parts(console: Console, values: dict[str, Any], titles: dict[str, str]) -> None:
    from dgmld_bench.text import signed

    parts, people = values["parts"], values["people"]
    if "reason" in parts:
        console.print(f"\n[bold]Offset, spread, misses:[/] not told ({parts['reason']})", soft_wrap=True)
        return
    shares, without = parts["share_of_squared_error_percent"], parts["mre_without_offset_mm"]
    names = parts["directions"]
    headings = [f"offset {name}" for name in names] + [f"spread {name}" for name in names]
    headings += ["misses %", "beyond", "without offset"] + (["people", "as near %"] if people else [])
    table = titled_table("Offset, spread (mm) and misses", "", *headings)
    for landmark, row in parts["per_landmark"].items():
        cells = []
        for name in names:
            low, high = row["offset_ci95_mm"][name]
            cell = signed(row["offset_mm"][name], 2)
            cells.append(f"[bold]{cell}*[/]" if low > 0 or high < 0 else f"[dim]{cell}[/] ")
        cells += [f"{row['spread_mm'][name]:.2f}" for name in names]
        cells += [f"{row['misses_percent']:.1f}", f"{row['miss_beyond_mm']:.1f}", f"{row['mre_without_offset_mm']:.2f}"]
        if people:
            of_people = people["per_landmark"].get(landmark)
            mark = " [yellow]two definitions[/]" if of_people and of_people["two_definitions"] else ""
            cells += (
                [f"{of_people['distance_mm']:.2f}", f"{of_people['as_near_percent']:.0f}{mark}"]
                if of_people
                else ["–", "–"]
            )
        table.add_row(titles[landmark], *cells)
    console.print()
    print_whole(console, table)
    low, high = without["ci95"] or (float("nan"),) * 2
    console.print(
        f"\nOf the squared error {shares['offset']:.1f} % is offset, {shares['spread']:.1f} % spread, "
        f"{shares['misses']:.1f} % misses ({parts['misses_percent']:.1f} % of the points).\n"
        f"Without the offset of the other cases: {without['mean']:.3f} mm ({low:.3f} … {high:.3f}). "
        "[dim]*: the 95 % interval leaves out zero.[/]",
        soft_wrap=True,
    )
    if people:
        console.print(
            f"Two annotators are {people['distance_mm']:.2f} mm apart; {people['as_near_percent']:.0f} % of the points "
            "lie as near to one as the other does [dim](a further annotator: 50 %)[/].",
            soft_wrap=True,
        )


def _definitions(console: Console, definitions: dict[str, Any], titles: dict[str, str]) -> None:
    for split, landmarks in definitions.items():
        twice = [f"{titles[name]} {row['shift_mm']:.1f}" for name, row in landmarks.items() if row["two_definitions"]]
        if twice:
            said = f"two annotators of {split} place throughout apart, in mm: {', '.join(twice)}"
            console.print(f"[yellow]Two definitions[/]: {said}.", soft_wrap=True)


def _seed_spread(console: Console, spread: dict[str, Any] | None) -> None:
    if spread is not None:
        _curve(console, spread, "Mean of the seeds, points with most agreement first")
        n = spread["misses_of_the_mean"]
        _says(console, spread, f"The seeds' disagreement finds its {n} misses", f"Misses of the mean: {n}")


def _confidence(console: Console, confidence: dict[str, Any] | None) -> None:
    if confidence is not None:
        _curve(console, confidence, "Points of greatest confidence first")
        n = confidence["misses"]
        _says(console, confidence, f"The confidence finds {n} misses", f"Misses: {n}")


def _curve(console: Console, doubt: dict[str, Any], title: str) -> None:
    table = titled_table(title, "kept", "MRE, mm", "at best")
    for row in doubt["risk_coverage"]:
        table.add_row(f"{100 * row['coverage']:.0f} %", f"{row['mre_mm']:.3f}", f"{row['mre_mm_at_best']:.3f}")
    console.print()
    print_whole(console, table)


def _says(console: Console, doubt: dict[str, Any], found: str, otherwise: str) -> None:
    if doubt["auroc"] is None:
        console.print(f"{otherwise}: nothing to find.")
        return
    interval = "" if doubt["auroc_ci95"] is None else " ({:.2f} … {:.2f})".format(*doubt["auroc_ci95"])
    console.print(f"{found} with AUROC {doubt['auroc']:.2f}{interval} [dim](0.5 is chance)[/].", soft_wrap=True)


def _conformal(console: Console, conformal: dict[str, Any], titles: dict[str, str]) -> None:
    if "reason" in conformal:
        console.print(f"\n[bold]Promised radii:[/] none ({conformal['reason']})", soft_wrap=True)
        return
    table = titled_table("Promised radii", "", "radius, mm", "covered, %")
    for landmark, row in conformal["per_landmark"].items():
        table.add_row(titles[landmark], f"{row['radius_mm']:.2f}", f"{row['covered_percent']:.0f}")
    console.print()
    print_whole(console, table)
    home = conformal["in_domain"]
    beside = f", and {_covered(home['covered_percent'])} in domain, on {home['split']}" if home else ""
    console.print(
        f"Radii that promise {conformal['promised_percent']:.0f} % on {conformal['calibrated_on']} "
        f"({conformal['calibration_cases']} cases) hold {_covered(conformal['covered_percent'])} of the points here"
        f"{beside}.",
        soft_wrap=True,
    )


def _covered(covered: dict[str, Any]) -> str:
    interval = "" if covered["ci95"] is None else " ({:.1f} … {:.1f})".format(*covered["ci95"])
    return f"{covered['mean']:.1f} %{interval}"
