"""The answer page, made and never written: ``python -m parity.explain.answer`` runs what is missing and writes it.

It adds to ``parity explain`` what takes too long for a default: five seeds of the real ``model.fit``, five seeds of the
posted program over its hundred epochs, and the posted program with the smallest repair.
"""

import csv
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import msgspec

from parity.case.places import CASES
from parity.errors import DataError, ParityError
from parity.explain import debugging, explanation, figures, page
from parity.explain.experiment import Experiment, load
from parity.explain.explanation import Explanation
from parity.explain.factors import show
from parity.explain.figures import Curve
from parity.explain.measured import Record, Runs
from parity.explain.pool import Pool
from parity.explain.reproduction import Reproduction, Tenth
from parity.explain.store import DEFAULT, Store, Task

SEEDS = 5
LONG = 100
QUESTION = CASES / "question" / "question.toml"
OTHER = CASES / "question" / "torch_rule.toml"


def reproduce(experiment: Experiment, found: Explanation, pool: Pool) -> Reproduction:
    """Run the real Keras and the posted program for five seeds, each as long as it was published."""
    a, b = experiment.programs
    repaired = Runs(experiment, pool).toward_b(found.repair.factors if found.repair else [])
    seeds = range(SEEDS)
    keras = _rows(pool, [Task(b, seed, experiment.epochs, "keras-fit") for seed in seeds], "model.fit")
    posted = _rows(pool, [Task(a, seed, LONG) for seed in seeds], "the posted program, 100 epochs")
    fixed = _rows(pool, [Task(repaired, seed, experiment.epochs) for seed in seeds], "the repaired program")
    curves = published(experiment)
    # The posted program prints before each epoch and once more at the end.
    printed = [[*record["printed"], record["loss"][-1]] for record in posted]
    return Reproduction(
        keras=[record["printed"] for record in keras],
        posted=printed,
        repaired=[record["loss"] for record in fixed],
        published={name: [list(point) for point in curve] for name, curve in curves.items()},
        tenths=tenths(dict(curves["posted"]), printed),
    )


def published(experiment: Experiment) -> dict[str, Curve]:
    """Read the published curves: {run: [(epoch, loss), …]}.

    Raises:
        DataError: the file is missing or has other columns.
    """
    assert experiment.published is not None
    path = QUESTION.parent / experiment.published.file
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = [(row["run"], float(row["epoch"]), float(row["loss"])) for row in csv.DictReader(file)]
    except (OSError, KeyError, ValueError) as error:
        raise DataError(f"{path.name}: cannot be read: {error}. Restore it from the repository.") from error
    return {
        name: [(epoch, loss) for run, epoch, loss in rows if run == name] for name in dict.fromkeys(r[0] for r in rows)
    }


def tenths(curve: dict[float, float], seeds: Sequence[Sequence[float]]) -> list[Tenth]:
    """Compare every tenth epoch: inside the spread of the seeds, or within ten percent of their median."""
    rows = []
    for epoch in range(10, LONG + 1, 10):
        values, point = [seed[epoch] for seed in seeds], curve[epoch]
        off = 100 * (median(values) / point - 1)
        within = min(values) <= point <= max(values) or abs(off) <= 10
        rows.append(Tenth(epoch, point, min(values), median(values), max(values), off, within))
    return rows


def pictures(found: Explanation, again: Reproduction, experiment: Experiment) -> dict[str, str]:
    """Return the three pictures by file name."""
    assert found.attribution is not None
    points = {"b": [(x, y) for x, y in again.published["keras"]], "a": [(x, y) for x, y in again.published["posted"]]}
    runs: dict[str, tuple[str, list[Curve]]] = {
        "posted": ("a", [list(enumerate(row)) for row in again.posted]),
        "Keras, as it prints": ("b", [list(enumerate(row, 1)) for row in again.keras]),
        "posted, two lines changed": ("fixed", [list(enumerate(row)) for row in again.repaired]),
    }
    start, end = found.effects[0].loss, found.effects[-1].loss
    pair = found.attribution.pairs[0].factors
    labels = [_labels(experiment, name) for name in pair]
    title = "Both curves of the question, published and reproduced"
    return {
        "curves.svg": figures.curves(points, runs, found.target, title),
        "waterfall.svg": figures.waterfall(found.attribution, start, end, found.sides),
        "interaction.svg": figures.square(found.corners, pair, labels, found.target),
    }


def _labels(experiment: Experiment, name: str) -> tuple[str, str]:
    a, b = (show(getattr(side, name)) for side in experiment.programs)
    words = {
        "initial_weights": ("weights N(0, 1), as posted", "Glorot weights"),
        "forward_divisor": (f"forward / {a}", f"no / {a}"),
    }
    return words.get(name, (f"{name} {a}", f"{name} {b}"))


def make(folder: Path, pool: Pool, seeds: int | None = None) -> list[str]:
    """Write the page, its pictures and its data; return the names of the files."""
    experiment, other = load(QUESTION), load(OTHER)
    found = explanation.explain(experiment, pool, seeds)
    again = reproduce(experiment, found, pool)
    second = explanation.explain(other, pool)
    logged = debugging.steps(experiment, 100)
    files = pictures(found, again, experiment)
    outputs = _five_steps(experiment, other, pool)
    files["README.md"] = page.render(experiment, found, again, second, logged, outputs)
    document: dict[str, Any] = {"question": found, "reproduction": again, "second": second}
    files["answer.json"] = msgspec.json.format(msgspec.json.encode(document), indent=1).decode() + "\n"
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_text(content, encoding="utf-8")
    return sorted(files)


def _five_steps(experiment: Experiment, other: Experiment, pool: Pool) -> dict[str, str]:
    """Return the output of the five debugging commands, by the argument that asks for it."""
    from parity.explain import text

    sides = [experiment.a.name, experiment.b.name]
    rows, keras = explanation.configuration(experiment), explanation.asked(experiment, pool)
    outputs = {
        "config": ("question.toml --config", text.configuration(rows, sides, keras)),
        "steps": ("question.toml --steps 3", text.steps(debugging.steps(experiment, 3))),
        "simplify": ("question.toml --simplify", text.simplify(debugging.simplify(experiment, pool), sides)),
        "features": ("question.toml --features", text.features(debugging.features(experiment))),
        "features_second": ("torch_rule.toml --features", text.features(debugging.features(other))),
        "source": ("question.toml --source", text.source(debugging.source(experiment), sides)),
    }
    return {name: page.block(arguments, output) for name, (arguments, output) in outputs.items()}


def _rows(pool: Pool, tasks: Sequence[Task], title: str) -> list[Record]:
    found = pool.run(tasks, title)
    return [found[task] for task in tasks]


def main(argv: Sequence[str] | None = None) -> int:
    """Make the page and say where it is."""
    parser = ArgumentParser(prog="python -m parity.explain.answer", description="Makes the answer page.")
    parser.add_argument("--output", type=Path, default=Path("reports/answer"), metavar="DIR", help="folder to write to")
    parser.add_argument("--cache", type=Path, default=DEFAULT, metavar="DIR", help="finished runs")
    parser.add_argument("--seeds", type=int, metavar="N", help="seeds of the attribution, instead of the experiment's")
    parser.add_argument("--jobs", type=int, metavar="N", help="processes at once (default: one a core)")
    arguments = parser.parse_args(argv)
    pool = Pool(Store(arguments.cache), arguments.jobs)
    try:
        names = make(arguments.output, pool, arguments.seeds)
    except ParityError as error:
        print(f"parity: error: {error}", file=sys.stderr)
        return 2
    print(f"{arguments.output}: {', '.join(names)}; {pool.made} runs made, {pool.found} found finished")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
