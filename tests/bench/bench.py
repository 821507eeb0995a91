"""``make bench``: ratios measured side by side in one run, printed with their limits, written to bench.json.

Each round measures every contestant once, in turn, so that what else the machine does falls on all of them. A ratio is
the median of the rounds' own ratios. Nothing fails: machines differ, and a limit that is missed is printed as such.
"""

import argparse
import json
import os
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from parity.circumstances.doctor import WORKER_ENVIRONMENT, circumstances
from parity.circumstances.files import write_file

PARTS = ("steps", "commands", "memory", "program", "large", "long")


class Row(NamedTuple):
    """One ratio: the names of its parts among the medians, what to divide by, and the limit it is held against.

    What a large job may cost is a promise to who waits for it, on two cores with nothing beside: divided by nothing.
    """

    name: str
    above: str
    below: tuple[str, ...]
    limit: float
    at_most: bool = True


# The limits are aims: printed beside the figure, and nothing fails by them.
ROWS = (
    Row("lockstep of the harness / (Keras step + NumPy step)", "harness step", ("keras step", "numpy step"), 1.25),
    Row("lockstep of Adam / (Keras step + NumPy step)", "adam harness", ("adam keras", "adam numpy"), 1.25),
    Row("the loop by hand / (Keras step + NumPy step)", "hand step", ("keras step", "numpy step"), float("inf")),
    Row("comparing equal tensors / assert_allclose", "compare equal", ("allclose equal",), 0.08),
    Row("comparing unequal tensors / assert_allclose", "compare unequal", ("allclose unequal",), 0.25),
    Row("the page's update / Keras' apply in graph mode", "page update", ("graph apply",), 1.0),
    Row("the page's update / Keras' apply by XLA", "page update", ("xla apply",), 1.5),
    Row("two jobs / one job, pairs a second", "jobs 2", ("jobs 1",), 1.6, at_most=False),
    Row("parity --help / importing NumPy", "help", ("import numpy",), 2.0),
    Row("parity list / importing NumPy", "list", ("import numpy",), 1.4),
    Row("peak memory, 20,000 steps / 2,000 steps", "peak 20000", ("peak 2000",), 1.05),
    Row("a described step, black pixels left out / all of it, float32", "lit float32", ("all float32",), 0.5),
    Row("a described step, black pixels left out / all of it, float64", "lit float64", ("all float64",), 0.5),
    Row("5 million x 64, both comparisons, with Numba, ns an element and step", "large numba", (), 50),
    Row("5 million x 64, both comparisons, NumPy alone, ns an element and step", "large numpy", (), 200),
    Row("50 million x 2, both comparisons, seconds", "huge seconds", (), 30),
    Row("peak memory, 50 million x 2 / its weights", "huge peak", ("huge weights",), 20),
    Row("10,000 tensors x 100 steps / drawing and making them", "many judged", ("many by hand",), 2.0),
)


def main() -> None:
    """Measure what is asked for, print, and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; else all but long")
    parser.add_argument("--rounds", type=int, default=5, help="how often everything is measured; unless given 5")
    parser.add_argument("--output", type=Path, default=Path("reports/latest/bench.json"))
    arguments = parser.parse_args()
    chosen = arguments.parts or list(PARTS[:-1])
    samples: dict[str, list[float]] = {}
    if "steps" in chosen:
        _rounds(samples, arguments.rounds, _steps())
    if "commands" in chosen:
        _rounds(samples, arguments.rounds, _start_up())
        _rounds(samples, max(1, arguments.rounds // 2), _jobs())
    if "memory" in chosen:
        _rounds(samples, 1, _memory())
    if "program" in chosen:
        _rounds(samples, arguments.rounds, _program())
    if "large" in chosen:
        _rounds(samples, max(1, arguments.rounds // 2), _large())
    if "long" in chosen:
        from commands import whole_question

        samples["minutes of 100 epochs"], samples["peak megabytes of 100 epochs"] = zip(whole_question(), strict=True)
    medians = {name: statistics.median(found) for name, found in samples.items()}
    ratios = [_ratio(row, samples) for row in ROWS if row.above in samples]
    _print(ratios, medians)
    document = {"circumstances": circumstances(), "rounds": arguments.rounds, "ratios": ratios, "samples": samples}
    write_file(arguments.output, (json.dumps(document, indent=1) + "\n").encode())
    print(arguments.output)


def _rounds(samples: dict[str, list[float]], rounds: int, contestants: dict[str, Callable[[], float]]) -> None:
    for number in range(rounds):
        for name, measure in contestants.items():
            print(f"round {number + 1} of {rounds}: {name}          ", end="\r", file=sys.stderr)
            samples.setdefault(name, []).append(measure())


def _steps() -> dict[str, Callable[[], float]]:
    from steps import Comparing, Question, Updating

    question, adam, updating = Question(), Question("adam"), Updating()
    comparing = Comparing(question)
    return {
        "keras step": question.keras_step,
        "numpy step": question.numpy_step,
        "harness step": question.harness,
        "hand step": question.by_hand,
        "adam keras": adam.keras_step,
        "adam numpy": adam.numpy_step,
        "adam harness": adam.harness,
        "allclose equal": lambda: comparing.allclose(comparing.equal),
        "compare equal": lambda: comparing.harness(comparing.equal),
        "allclose unequal": lambda: comparing.allclose(comparing.unequal),
        "compare unequal": lambda: comparing.harness(comparing.unequal),
        "page update": updating.page,
        "graph apply": lambda: updating.keras("graph"),
        "xla apply": lambda: updating.keras("xla"),
    }


def _start_up() -> dict[str, Callable[[], float]]:
    from commands import start_up

    return {
        "import numpy": lambda: start_up(["-c", "import numpy"]),
        "help": lambda: start_up(["-m", "parity", "--help"]),
        "list": lambda: start_up(["-m", "parity", "list"]),
    }


def _jobs() -> dict[str, Callable[[], float]]:
    from commands import pairs_a_second

    return {"jobs 1": lambda: pairs_a_second(1), "jobs 2": lambda: pairs_a_second(2)}


def _memory() -> dict[str, Callable[[], float]]:
    from commands import peak_megabytes

    return {f"peak {steps}": lambda steps=steps: peak_megabytes(steps) for steps in (2_000, 20_000)}


def _program() -> dict[str, Callable[[], float]]:
    from described import Described

    narrow, wide = Described("float32"), Described("float64")
    return {
        "lit float32": narrow.without_black,
        "all float32": narrow.with_all,
        "lit float64": wide.without_black,
        "all float64": wide.with_all,
    }


def _large() -> dict[str, Callable[[], float]]:
    from large import huge_megabytes, huge_seconds, many_by_hand, many_seconds, nanoseconds, weights_megabytes

    return {
        "large numba": lambda: nanoseconds(numba=True),
        "large numpy": lambda: nanoseconds(numba=False),
        "huge peak": huge_megabytes,
        "huge seconds": huge_seconds,
        "huge weights": weights_megabytes,
        "many judged": many_seconds,
        "many by hand": many_by_hand,
    }


def _ratio(row: Row, samples: dict[str, list[float]]) -> dict[str, Any]:
    parts = (
        zip(*(samples[name] for name in row.below), strict=True) if row.below else ((1.0,) for _ in samples[row.above])
    )
    value = statistics.median(above / sum(below) for above, below in zip(samples[row.above], parts, strict=True))
    met = value <= row.limit if row.at_most else value >= row.limit
    limit = None if row.limit == float("inf") else row.limit
    return {"name": row.name, "ratio": value, "limit": limit, "at_most": row.at_most, "met": met}


def _print(ratios: list[dict[str, Any]], medians: dict[str, float]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("ratio", "measured", "limit", "", title="Medians, side by side in one run")
    for row in ratios:
        word = "at most" if row["at_most"] else "at least"
        limit = "the peer" if row["limit"] is None else f"{word} {row['limit']:g}"
        table.add_row(row["name"], f"{row['ratio']:.3g}", limit, "met" if row["met"] else "[red]missed[/red]")
    console = Console()
    console.print(table)
    console.print(", ".join(f"{name} {value:.3g}" for name, value in medians.items()), highlight=False)


if __name__ == "__main__":
    if not all(name in os.environ for name in WORKER_ENVIRONMENT):
        # As a worker process has it; allocator and thread pools read their variables at the start alone.
        environment = {**WORKER_ENVIRONMENT, **os.environ}
        os.execve(sys.executable, [sys.executable, *sys.argv], environment)
    main()
