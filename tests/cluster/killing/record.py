"""Writes the lists of kill points anew, from undisturbed runs: `make kill-points`.

Whoever changes what a run sends, or what its journal tells, changes them: a test fails then, and says so. The lists are
kept, not made up by each test run, so that every point is a test of its own, by name.
"""

from __future__ import annotations

import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click

from tests.cluster.conftest import started_control_planes
from tests.cluster.killing.killings import Killings
from tests.cluster.killing.points import LISTS, difference_of, recorded_points
from tests.cluster.killing.scenery import STORIES


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(sorted(STORIES)))
def main(names: tuple[str, ...]) -> None:
    """Play these stories, or all, and write down at which points their runs can be killed."""
    stories = names or tuple(STORIES)
    with tempfile.TemporaryDirectory(prefix="kill-points-") as folder:
        place = Path(folder)
        with started_control_planes(place / "control-planes") as planes:
            killings = Killings(planes, place / "runs", [])
            try:
                with ThreadPoolExecutor() as pool:
                    ends = dict(zip(stories, pool.map(killings.undisturbed, stories), strict=True))
            finally:
                killings.close()
    for story, end in ends.items():
        differs = difference_of(end.points, recorded_points(story))
        if differs:
            # What happens side by side comes in another order each time: that alone is no change.
            (LISTS / f"{story}.txt").write_text("".join(f"{point}\n" for point in end.points))
        click.echo(f"{story}: {len(end.points)} points{f'; {differs}' if differs else ', as before'}")


if __name__ == "__main__":
    sys.exit(main())
