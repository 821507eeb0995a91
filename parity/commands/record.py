"""``parity record``: what a library did, written down exactly, so that it can be replayed without the library."""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from parity.case.spec import Cell
from parity.commands.cli import complain
from parity.commands.work import above_zero, add_work_arguments, gather, named, progress
from parity.errors import DataError, ParityError, UnsupportedError, printable
from parity.trajectory.golden.place import folder_name
from parity.verdicts.verdict import Verdict

if TYPE_CHECKING:
    from parity.runner.pool import Task
    from parity.verdicts.results import Pair

EXAMPLES = """\
  parity record 'rmsprop/*' --subject keras-eager         into golden/keras-eager/
  parity record my_case.toml --subject torch --output recordings
  parity record network/question --subject keras-graph --steps 10
  parity run 'rmsprop/*' --subject golden:golden/keras-eager
"""
MEGABYTES = 64.0


def configure(parser: ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_work_arguments(parser, cluster=False)
    text = "where a folder for each subject is written; unless given golden"
    parser.add_argument("--output", type=Path, default=Path("golden"), metavar="DIR", help=text)
    text = f"refuse a recording that is larger; unless given {MEGABYTES:g}"
    parser.add_argument("--max-megabytes", type=above_zero("megabytes"), default=MEGABYTES, metavar="MB", help=text)
    parser.add_argument("--missing", action="store_true", help="record only what has no valid recording yet")


def main(arguments: Namespace) -> int:
    """Record; return 1 if a subject failed, 2 for what could not be read or is too large, 3 if nothing was recorded."""
    cells, problems = gather(arguments.cases, arguments.steps, arguments.subject)
    names = named(arguments.subject or ["keras-eager"], arguments.bind)
    cells, refused = _with_room(cells, arguments.max_megabytes)
    problems += refused
    tasks = _tasks(cells, names, arguments)
    pairs = _run(tasks, arguments) if tasks else []
    recorded = [task for task, pair in zip(tasks, pairs, strict=True) if not pair.comparisons]
    for pair in pairs:
        for item in pair.comparisons[:1]:
            print(printable(f"not recorded: {item.case} · {item.subject}: {item.verdict}: {item.reason}"))
    for name in names:
        count = sum(task.subject == name for task in recorded)
        folder = arguments.output / folder_name(name)
        how = f"{count} recorded into {folder}/; replay them with --subject golden:{folder}"
        print(printable(f"{name}: {how if count else 'nothing to record' if not tasks else 'nothing recorded'}"))
    if problems:
        return 2
    if any(Verdict[item.verdict].fails for pair in pairs for item in pair.comparisons):
        return 1
    return 0 if recorded or not tasks else 3


def _tasks(cells: list[Cell], names: list[str], arguments: Namespace) -> "list[Task]":
    from parity.runner.pool import Task

    wanted = [(cell, name, arguments.output / folder_name(name)) for cell in cells for name in names]
    if arguments.missing:
        wanted = [(cell, name, folder) for cell, name, folder in wanted if not _stands(folder, cell)]
    most = arguments.max_megabytes
    return [Task(i, cell, name, str(folder), most) for i, (cell, name, folder) in enumerate(wanted)]


def _stands(folder: Path, cell: Cell) -> bool:
    """Return whether a valid recording of exactly these steps is there."""
    from parity.problem.problems import make
    from parity.trajectory.golden.store import open_recording

    try:
        sheet, _ = open_recording(folder, make(cell))
    except (UnsupportedError, DataError):
        return False
    return sheet.steps == cell.steps


def _run(tasks: "list[Task]", arguments: Namespace) -> "list[Pair]":
    from parity.runner.pool import run_tasks

    with progress(len(tasks)) as (started, finished):
        return run_tasks(tasks, arguments.jobs, arguments.time_limit, finished, started)


def _with_room(cells: list[Cell], most: float) -> tuple[list[Cell], list[ParityError]]:
    """Return the cells whose recordings are not too large, and the errors of the others, which were printed."""
    from parity.problem.problems import make
    from parity.runner.recording import require_room

    fitting: list[Cell] = []
    errors: list[ParityError] = []
    for cell in cells:
        try:
            require_room(make(cell), None, most)
            fitting.append(cell)
        except DataError as error:
            errors.append(error)
            complain(error)
    return fitting, errors
