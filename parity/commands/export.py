"""``parity export``: the conformance set, for optimizers in other languages."""

import sys
from argparse import ArgumentParser, Namespace
from collections import Counter
from pathlib import Path

from parity.case.spec import Cell
from parity.circumstances.files import write_set
from parity.commands.work import gather

EXAMPLES = """\
  parity export                                    every case with replayed gradients, into conformance/
  parity export 'adam/*' --output vectors          those of one rule
  cc -std=c99 -O2 -o example conformance/example.c -lm && ./example conformance
"""


def configure(parser: ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "cases", nargs="*", metavar="CASE", help="a case id, a glob with '*', or a .toml file; else all"
    )
    text = "the folder to write; unless given conformance"
    parser.add_argument("--output", type=Path, default=Path("conformance"), metavar="DIR", help=text)


def main(arguments: Namespace) -> int:
    """Export; return 2 if a case could not be read, 3 if no case has replayed gradients."""
    cells, problems = gather(arguments.cases, None)
    replayed = [cell for cell in cells if cell.gradients == "replayed"]
    if len(replayed) < len(cells):
        left = len(cells) - len(replayed)
        print(f"left out: {left} cells whose gradients depend on the weights, which would judge a model too")
    whole = [cell for cell in replayed if not cell.surroundings]
    for clause, left in Counter(clause for cell in replayed for clause in cell.surroundings.values()).items():
        print(f"left out: {left} cells in which {clause}, which no vector says")
    if not whole:
        return 2 if problems else 3
    _write(whole, arguments.output)
    return 2 if problems else 0


def _write(cells: list[Cell], folder: Path) -> None:
    from parity.export.folder import folder_files, vector_of

    vectors = []
    for number, cell in enumerate(cells, 1):
        vectors.append(vector_of(cell))
        if sys.stderr.isatty():
            print(f"\r{number} of {len(cells)}", end="" if number < len(cells) else "\n", file=sys.stderr, flush=True)
    files = folder_files(vectors)
    write_set(files, folder, "the conformance set")
    flags = {flag for vector, _ in vectors for flag in vector.flags}
    size = sum(map(len, files.values())) / 1e6
    print(f"{len(vectors)} vectors that catch {len(flags)} kinds of mistakes, {size:.1f} MB: {folder}/README.md")
