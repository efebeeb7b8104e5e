"""``dgmld-bench leaderboard`` and ``dgmld-bench submit``."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from dgmld_bench.cli.options import DataDir, JsonPath, emit_json, file_argument
from dgmld_bench.terminal import echo, make_console, progress_bars

Root = Annotated[
    Path, typer.Option("--root", help="The repository: the folder that holds submissions/ and leaderboard/.")
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    board = typer.Typer(no_args_is_help=True, help="Build, check and look at the leaderboard.")
    board.command("build")(build)
    board.command("check")(check)
    board.command("serve")(serve)
    board.command("review")(review)
    board.command("export")(export)
    app.command()(submit)
    app.add_typer(board, name="leaderboard")


def build(root: Root = Path(), data_dir: DataDir = None, json: JsonPath = None) -> None:
    """Score every submission whose reference is on disk, keep the last verified errors of the others, write the board.

    Writes leaderboard/results.csv, README.md, errors/ and site/. The same inputs give the same bytes.
    """
    from dgmld_bench.leaderboard.publish import publish

    _check_root(root)
    with progress_bars(make_console(stderr=True)) as report:
        board = publish(root, data_dir, partial(report, "submissions"))
    for fault in board.faults:
        echo(f"cannot be scored: {fault}", err=True)
    counts = [
        {
            "split": split.split.name,
            "measured": sum(r.kind == "measured" for r in split.rows),
            "awaiting": sum(r.kind == "awaiting" for r in split.rows),
            "reported": sum(r.kind == "reported" for r in split.rows),
        }
        for track in board.tracks
        for split in track.splits
    ]
    emit_json(counts, json)
    if str(json) != "-":
        for c in counts:
            echo(f"{c['split']}: {c['measured']} measured, {c['awaiting']} awaiting, {c['reported']} reported")
        echo(f"wrote {root / 'leaderboard'}")


def check(
    root: Root = Path(),
    base: Annotated[
        str | None,
        typer.Option(help="A commit whose board must not lose a row or move a score either.", show_default=False),
    ] = None,
    data_dir: DataDir = None,
    json: JsonPath = None,
) -> None:
    """Fail when the committed board is stale, a row vanished, or a score moved without its submission changing.

    dgmld-bench leaderboard check --base origin/main
    """
    from dgmld_bench.leaderboard.check import find_differences

    _check_root(root)
    with progress_bars(make_console(stderr=True)) as report:
        problems = find_differences(root, data_dir, base, partial(report, "submissions"))
    emit_json(problems, json)
    if str(json) != "-":
        for problem in problems:
            echo(problem)
        if not problems:
            echo("the board is current")
    if problems:
        raise typer.Exit(1)


def serve(
    root: Root = Path(), port: Annotated[int, typer.Option(help="0: any free port.", min=0, max=65535)] = 8000
) -> None:
    """Preview the site on this machine; Ctrl-C ends it."""
    from dgmld_bench.leaderboard import server
    from dgmld_bench.leaderboard.publish import SITE

    server.serve(root / SITE, port)


def review(
    base: Annotated[str, typer.Argument(help="The commit that the pull request goes to.", show_default=False)],
    head: Annotated[str, typer.Argument(help="The pull request's last commit.", show_default=False)],
    root: Root = Path(),
    summary: Annotated[
        Path | None, typer.Option(help="Append the report to this file, as Markdown.", show_default=False)
    ] = None,
    validate_only: Annotated[bool, typer.Option("--validate-only", help="Do not score.")] = False,
    data_dir: DataDir = None,
    json: JsonPath = None,
) -> None:
    """Judge a pull request that submits: validation, scores, and what changes on the board. Exit code 1 at any fault.

    Reads the pull request's files out of git as data and checks nothing out; --root is a checkout of BASE.

        dgmld-bench leaderboard review main submit-bapdg-unet
    """
    from dgmld_bench.leaderboard.pull_request import report
    from dgmld_bench.leaderboard.pull_request import review as review_pull_request

    _check_root(root)
    found = review_pull_request(root, base, head, data_dir, score=not validate_only)
    text = report(found)
    emit_json({"valid": not found.faults, "faults": found.faults, "sources": found.sources}, json)
    if summary is not None:
        with summary.open("a", encoding="utf-8") as stream:
            stream.write(text)
        echo(f"{len(found.faults)} faults; the report is in {summary}", err=str(json) == "-")
    elif str(json) != "-":
        echo(text)
    if found.faults:
        raise typer.Exit(1)


def export(
    out: Annotated[Path, typer.Argument(help="A folder that does not exist or is empty.", show_default=False)],
    hub_id: Annotated[str, typer.Option(help="OWNER/NAME of the data set on the hub.", show_default=False)],
    root: Root = Path(),
) -> None:
    """Write the board as a data set for the Hugging Face hub: results, errors, submissions, card. Sends nothing.

    dgmld-bench leaderboard export build/board --hub-id me/dgmld-bench-leaderboard
    """
    from dgmld_bench.leaderboard.hub import export_board

    _check_root(root)
    export_board(root, out, hub_id)
    echo(f"wrote {out}\n\nTo publish it:\n  hf upload {hub_id} {out} --repo-type dataset")


def submit(
    file: Annotated[Path, file_argument("Predictions JSON, as a trainer or you wrote it.")],
    tag: Annotated[
        str | None, typer.Option(help="Tells apart submissions of the same method and backbone.", show_default=False)
    ] = None,
    selection: Annotated[
        str | None, typer.Option(help="What the file lacks: none, source-val or target-val.", show_default=False)
    ] = None,
    training_data: Annotated[
        list[str] | None, typer.Option(help="What the file lacks: a name; repeat it.", show_default=False)
    ] = None,
    authors: Annotated[str | None, typer.Option(help="What the file lacks.", show_default=False)] = None,
    paper: Annotated[str | None, typer.Option(help="What the file lacks: its address.", show_default=False)] = None,
    code: Annotated[str | None, typer.Option(help="What the file lacks: its address.", show_default=False)] = None,
    description: Annotated[str | None, typer.Option(help="What the file lacks.", show_default=False)] = None,
    root: Root = Path(),
) -> None:
    """Put predictions in their place under submissions/, checked, and print the git commands of the pull request.

    Options add what the file does not say. Parameters, training time and command are quoted from a run.json beside the
    file. Again, it corrects your submission as long as it is not committed; it never overwrites another one.

        dgmld-bench submit runs/open/bapdg-unet-small/predictions.json
    """
    from difflib import get_close_matches

    from dgmld_bench.leaderboard.placing import declare, place_submission
    from dgmld_bench.leaderboard.submissions import find_twins, quote_run, submission_id
    from dgmld_bench.scoring.predictions import Predictions
    from dgmld_bench.splits import SPLITS

    _check_root(root)
    predictions = Predictions.load(file)
    declared = {"selection": selection, "training_data": training_data, "authors": authors}
    declared |= {"paper": paper, "code": code, "description": description}
    predictions = declare(predictions, {k: v for k, v in declared.items() if v})
    name = submission_id(predictions, tag)
    run = file.with_name("run.json")
    placed = place_submission(root, predictions, name, quote_run(run) if run.is_file() else None)
    for name_of_data in predictions.training_data or ():
        close = get_close_matches(name_of_data, SPLITS, n=1, cutoff=0.8)
        if close and close[0] != name_of_data:
            echo(f"note: training data '{name_of_data}' is no split of the benchmark; is '{close[0]}' meant?")
    if twins := find_twins(root, predictions, name):
        echo(f"note: a run of it has the same points as one of {', '.join(twins)}")
    files = " ".join(str(p.relative_to(root)) for p in placed)
    echo(
        f"wrote {files}\n\nTo submit it:\n"
        f"  git switch -c submit-{name}\n  git add {files}\n"
        f"  git commit -m 'Submit {name}'\n  git push -u origin submit-{name}\n"
        "and open a pull request."
    )


def _check_root(root: Path) -> None:
    from dgmld_bench.errors import UsageError
    from dgmld_bench.leaderboard.project import is_repository

    if not is_repository(root):
        raise UsageError(
            f"{root.resolve()} is not a checkout of the benchmark (no leaderboard/reported.csv); "
            "run this in its root, or name it with --root"
        )
