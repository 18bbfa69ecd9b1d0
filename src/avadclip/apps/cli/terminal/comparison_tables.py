"""What `avadclip compare-features` prints for people."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from avadclip.apps.cli.terminal.console import make_console, plain_table
from avadclip.report.words import counted, printable

if TYPE_CHECKING:
    from avadclip.research.comparison.records import ComparisonVerdict, CropComparison, FeatureComparison

LINES_SHOWN = 20  # the lowest cosines


def print_comparison(found: "FeatureComparison") -> None:
    """Print the lowest cosines, then a verdict with its evidence on each part."""
    console = make_console()

    def line(text: str, style: str = "") -> None:
        console.print(printable(text), style=style, soft_wrap=True)

    line(f"{found.mine} against {found.theirs}", "bold")
    num_videos = len({crop.video for crop in found.crops})
    line(
        f"{counted(num_videos, 'video')} compared; {len(found.only_mine):,} only in mine, "
        f"{len(found.only_theirs):,} only in theirs"
    )
    console.print()
    table = plain_table(["video", "part"], ["mine", "theirs", "crop", "shift", "cosine", "lowest", "snippet"], gap=2)
    lowest = sorted(found.crops, key=lambda crop: crop.cosine)[:LINES_SHOWN]
    for crop in lowest:
        table.add_row(*_cells(crop))
    console.print(table)
    if len(found.crops) > len(lowest):
        line(f"{len(found.crops) - len(lowest):,} more with higher cosines; --format json has all, by snippet", "dim")
    for verdict in found.verdicts:
        console.print()
        _print_verdict(verdict, line)


def _cells(crop: "CropComparison") -> tuple[str, ...]:
    crops = "-" if crop.crop is None else f"{crop.crop}"
    if crop.their_crop != crop.crop:
        crops += f" = {crop.their_crop}"
    return (
        printable(crop.video),
        crop.part,
        f"{crop.num_mine:,}",
        f"{crop.num_theirs:,}",
        crops,
        f"{crop.shift:+d}" if crop.shift else "0",
        f"{crop.cosine:.5f}",
        f"{crop.lowest_cosine:.5f}",
        f"{crop.lowest_snippet:,}",
    )


def _print_verdict(verdict: "ComparisonVerdict", line: Callable[..., None]) -> None:
    outcome = "the same" if verdict.is_same else "NOT the same"
    basis = "the features alone" if verdict.rests_on == "features" else "the videos, encoded again"
    line(f"{verdict.part}: {outcome}", "bold")
    line(f"{'finding' if verdict.is_same else 'likely cause'}: {verdict.words}")
    line(f"evidence ({basis}):")
    for each in verdict.evidence:
        line(f"  {each}", "dim")
