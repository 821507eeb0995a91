"""``parity explain``: two whole training programs in, the reasons for the gap between them out."""

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from parity.circumstances import terminal
from parity.explain.experiment import Experiment, find, load

EXAMPLES = """\
  parity explain question              the whole explanation, about ten minutes on two cores
  parity explain question --config     what differs, before any number: seconds
  parity explain question --steps 5    log the first steps of both sides
  parity explain question --simplify   a ladder of smaller problems
  parity explain question --features   the two update rules, feature by feature
  parity explain question --source     the formula of the installed Keras, with file and line
"""


def configure(parser: ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("experiment", metavar="EXPERIMENT", help="a name, such as question, or a .toml file")
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")
    part = parser.add_mutually_exclusive_group()
    part.add_argument("--config", action="store_true", help="compare the resolved configurations and stop")
    part.add_argument("--steps", type=_count, metavar="N", help="log the first N steps of both sides and stop")
    part.add_argument("--simplify", action="store_true", help="run both sides on ever larger problems and stop")
    part.add_argument("--features", action="store_true", help="compare the rules feature by feature and stop")
    part.add_argument("--source", action="store_true", help="compare with the source of the installed Keras and stop")
    parser.add_argument("--seeds", type=_count, metavar="N", help="seeds a program, instead of the experiment's")
    parser.add_argument("--epochs", type=_count, metavar="N", help="epochs a run, instead of the experiment's")
    parser.add_argument("--jobs", type=_count, metavar="N", help="processes at once (default: one a core)")
    parser.add_argument("--cache", type=Path, metavar="DIR", help="finished runs (default: .parity/explain)")


def main(arguments: Namespace) -> int:
    """Explain, print, and return 0; a mistake in the file or the call is raised as a ParityError."""
    experiment = load(find(arguments.experiment))
    result, text = _part(arguments, experiment)()
    if arguments.json:
        document = {"schema": 1, "experiment": experiment.experiment, "result": result}
        print(msgspec.json.format(msgspec.json.encode(document), indent=2).decode())
    else:
        terminal.say(text.split("\n"))
    return 0


def _part(arguments: Namespace, experiment: Experiment) -> Callable[[], tuple[Any, str]]:
    """Return the function that makes the part that was asked for: its records and its text."""
    chosen = [name for name in ("config", "steps", "simplify", "features", "source") if getattr(arguments, name)]
    name = chosen[0] if chosen else "explain"
    return lambda: _PARTS[name](arguments, experiment)


def _config(arguments: Namespace, experiment: Experiment) -> tuple[Any, str]:
    from parity.explain import explanation, text

    rows, keras = explanation.configuration(experiment), explanation.asked(experiment, _pool(arguments))
    return {"factors": rows, "keras": keras}, text.configuration(rows, _sides(experiment), keras)


def _steps(arguments: Namespace, experiment: Experiment) -> tuple[Any, str]:
    from parity.explain import debugging, text

    rows = debugging.steps(experiment, arguments.steps)
    return rows, text.steps(rows)


def _simplify(arguments: Namespace, experiment: Experiment) -> tuple[Any, str]:
    from parity.explain import debugging, text

    rows = debugging.simplify(experiment, _pool(arguments))
    return rows, text.simplify(rows, _sides(experiment))


def _features(arguments: Namespace, experiment: Experiment) -> tuple[Any, str]:
    from parity.explain import debugging, text

    rows = debugging.features(experiment)
    return rows, text.features(rows)


def _source(arguments: Namespace, experiment: Experiment) -> tuple[Any, str]:
    from parity.explain import debugging, text

    rows = debugging.source(experiment)
    return rows, text.source(rows, _sides(experiment))


def _explain(arguments: Namespace, experiment: Experiment) -> tuple[Any, str]:
    from parity.explain import explanation, text

    found = explanation.explain(experiment, _pool(arguments), arguments.seeds, arguments.epochs)
    return found, text.explanation(found)


def _pool(arguments: Namespace) -> Any:
    from parity.explain.pool import Pool
    from parity.explain.store import DEFAULT, Store

    return Pool(Store(arguments.cache or DEFAULT), arguments.jobs)


def _sides(experiment: Experiment) -> list[str]:
    return [experiment.a.name, experiment.b.name]


def _count(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 1000:
        raise ArgumentTypeError(f"received {text!r}; allowed: a whole number from 1 to 1000")
    return int(text)


_PARTS: dict[str, Callable[[Namespace, Experiment], tuple[Any, str]]] = {
    "config": _config,
    "steps": _steps,
    "simplify": _simplify,
    "features": _features,
    "source": _source,
    "explain": _explain,
}
