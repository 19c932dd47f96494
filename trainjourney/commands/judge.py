"""`trainjourney judge`: how good a bundle's picture is."""

from pathlib import Path
from typing import Annotated

import typer

from trainjourney.commands.extras import missing_extra
from trainjourney.commands.options import Backend, Precision


def judge(
    bundle: Annotated[
        str, typer.Argument(metavar="BUNDLE", help="A name under engines/, or a folder.")
    ] = "pocket",
    frames: Annotated[
        int, typer.Option(metavar="N", min=200, help="Of the long films, one a seed.")
    ] = 30000,
    seeds: Annotated[
        int, typer.Option(metavar="N", min=1, max=64, help="Long films, each of another look.")
    ] = 8,
    report: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Where the report and the films' figures go.")
    ] = Path("report"),
    short: Annotated[
        bool, typer.Option("--short", help="500 frames, one seed, no baselines: a minute.")
    ] = False,
    against: Annotated[
        str | None, typer.Option(metavar="BUNDLE", help="Another bundle beside it.")
    ] = None,
    publish: Annotated[
        bool, typer.Option("--publish", help="Write the figures beside it, as judged.toml.")
    ] = False,
    jobs: Annotated[
        int, typer.Option(metavar="N", min=1, max=64, help="Films at a time; best one a core.")
    ] = 1,
    backend: Backend = None,
    precision: Precision = None,
) -> None:
    """Judge how good a bundle's picture is. The same words go on; the last line is JSON."""
    with missing_extra("train"):
        import matplotlib  # noqa: F401  found missing now, not after hours

        from trainjourney.inference import find_bundle
        from trainjourney.judging.judge import judge as run
        from trainjourney.judging.published import publish as write_published
        from trainjourney.judging.report import last_line, show_table, write_report

        choice = (backend or "auto", precision or "auto")
        judged = run(bundle, report, frames, seeds, short, against, *choice, jobs=jobs)
        table = write_report(judged)
        if publish:
            write_published(find_bundle(bundle), table)
    show_table(table)
    print(last_line(table))
