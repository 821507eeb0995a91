"""The five steps of debugging, one function each: what both programs do, made visible piece by piece."""

import ast
import importlib.util
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from msgspec import Struct

from parity.bounds.bounded import Bounded, exact
from parity.errors import NotInstalledError
from parity.explain.experiment import Experiment
from parity.explain.factors import Program, switched
from parity.explain.measured import Runs, reached, typical
from parity.explain.pool import Pool
from parity.explain.program import Images, Trainer, forward, initial, kernel_name, mnist, orders
from parity.explain.rule import Rule, walked
from parity.explain.whole.quantity import held
from parity.problem.portable import spread

_RULE: Final = (
    "learning_rate rho epsilon epsilon_place second_moment_start centered momentum learning_rate_place weight_decay "
    "weight_decay_form clipvalue clipnorm global_clipnorm dtype"
)
RULE_FACTORS: Final = tuple(_RULE.split())
FEATURES: Final[dict[str, dict[str, Any]]] = {
    "plain: step by the gradient's sign (rho 0)": {"rho": 0.0, "momentum": 0.0, "centered": False},
    "+ second moment (rho 0.9)": {"rho": 0.9},
    "+ momentum 0.9": {"momentum": 0.9},
    "+ centred": {"centered": True},
    "+ weight decay 0.004": {"weight_decay": 0.004},
    "+ gradients clipped at 0.5": {"clipvalue": 0.5},
    "+ a learning rate that drops after 20 steps": {
        "learning_rate": {"schedule": "PiecewiseConstantDecay", "boundaries": [20], "values": [1e-3, 1e-4]}
    },
}
SIMPLER: Final[dict[str, list[int]]] = {
    "no hidden layer": [784, 10],
    "16 hidden units": [784, 16, 10],
    "64 hidden units": [784, 64, 10],
}


class StepRow(Struct, frozen=True):
    """One step of one side; ``answer_moved`` is how far the step moved the logits of the image it trained on."""

    step: int
    side: str
    loss: float
    gradient: float
    second_moment: float
    weights_moved: float
    answer_moved: float


class SimplerRow(Struct, frozen=True):
    """A smaller problem: what both sides reach, and A with each factor switched alone."""

    problem: str
    epochs: int
    a: float
    b: float
    alone: dict[str, float]


class FeatureRow(Struct, frozen=True):
    """The rules of both sides with the same features on the same gradients: how far apart, since when, and why.

    ``because`` are the factors that part the rules alone, the strongest first.
    """

    feature: str
    first_step: int | None
    difference: float
    because: list[str]


class SourceRow(Struct, frozen=True):
    """One line of Keras' update, where it stands in the installed source, and what both sides have instead."""

    place: str
    source: str
    a: str
    b: str


def steps(experiment: Experiment, count: int, seed: int = 0) -> list[StepRow]:
    """Log the first steps of both sides: loss, largest gradient and accumulator of the last kernel, movements."""
    rows = {side: _logged(side, program, count, seed) for side, program in zip("ab", experiment.programs, strict=True)}
    names = {"a": experiment.a.name, "b": experiment.b.name}
    named = {side: [msgspec.structs.replace(row, side=names[side]) for row in found] for side, found in rows.items()}
    return [row for pair in zip(named["a"], named["b"], strict=True) for row in pair]


def _logged(side: str, program: Program, count: int, seed: int) -> list[StepRow]:
    data = mnist().cast(program)
    tensors = initial(program, seed)
    dense = Trainer(program, tensors, data)
    last = kernel_name(len(program.layers) - 1)
    epochs = -(-count * program.batch_size // program.examples)
    order = np.concatenate(list(orders(program, seed, epochs)))
    rows = []
    for step in range(count):
        batch = order[step * program.batch_size : (step + 1) * program.batch_size]
        before, weights = forward(program, tensors, data.pixels[batch]), tensors[last].copy()
        gradient = float(np.abs(_gradient(program, tensors, data, batch)).max())
        loss, _ = dense.step(batch)
        after = forward(program, tensors, data.pixels[batch])
        moment = float(dense.rule.state["second_moment"][last].max())
        moved = float(np.abs(tensors[last] - weights).max())
        answer = float(np.abs(after.logits - before.logits).max())
        rows.append(StepRow(step, side, float(loss.mean()), gradient, moment, moved, answer))
    return rows


def _gradient(program: Program, tensors: dict[str, Any], data: Images, batch: Any) -> Any:
    from parity.explain.program import backward

    passed = forward(program, tensors, data.pixels[batch])
    return backward(program, tensors, passed, data.labels[batch])[kernel_name(len(program.layers) - 1)]


def simplify(experiment: Experiment, pool: Pool, epochs: int = 3) -> list[SimplerRow]:
    """Run both sides on ever larger problems; the smallest on which the gap shows is the one to debug."""
    rows = []
    problems = {**SIMPLER, "as described": list(experiment.a.layers)}
    for name, layers in problems.items():
        smaller = msgspec.structs.replace(
            experiment,
            a=msgspec.structs.replace(experiment.a, layers=layers),
            b=msgspec.structs.replace(experiment.b, layers=layers),
        )
        runs = Runs(smaller, pool, 2, epochs)
        programs = [runs.a, runs.b, *(runs.toward_b([factor]) for factor in experiment.active)]
        ends = [typical(reached(records)) for records in runs.records(programs, name)]
        rows.append(SimplerRow(name, epochs, ends[0], ends[1], dict(zip(experiment.active, ends[2:], strict=True))))
    return rows


def features(experiment: Experiment, count: int = 60) -> list[FeatureRow]:
    """Give both rules the same features, one more each time, and the same gradients; name the first that parts."""
    a, b = experiment.programs
    rows, given = [], dict[str, Any]()
    for name, change in FEATURES.items():
        given |= change
        sides = [msgspec.convert({**msgspec.to_builtins(side), **given}, Program) for side in (a, b)]
        differing = [factor for factor in RULE_FACTORS if getattr(sides[0], factor) != getattr(sides[1], factor)]
        rows.append(_feature(name, sides[0], sides[1], differing, count))
    return rows


def _feature(name: str, a: Program, b: Program, factors: Sequence[str], count: int) -> FeatureRow:
    expected, apart = _walk(b, count), dict[str, float]()
    for factor in factors:
        other = switched(b, a, (factor,))
        if _first_parting(other, b, count) is not None:
            apart[factor] = _apart(_walk(other, count), expected)
    because = sorted(apart, key=lambda factor: -apart[factor])
    return FeatureRow(name, _first_parting(a, b, count), _apart(_walk(a, count), expected), because)


def _first_parting(a: Program, b: Program, count: int) -> int | None:
    """Return the first step after which the weights of ``a`` are beyond its own rounding of what ``b`` has exactly."""
    dtype = np.dtype(a.dtype)
    gradients = [{"w": exact(each.astype(dtype))} for each in _gradients(count)]
    start = {"w": exact(np.ones(64, dtype=dtype))}
    both = zip(walked(a, start, gradients), walked(b, start, gradients), strict=True)
    for step, (obtained, (own, other)) in enumerate(zip(_walk(a, count), both, strict=True)):
        if held(obtained, Bounded(other["w"].value, own["w"].error, own["w"].format)).outcome.parts:
            return step
    return None


def _gradients(count: int) -> Iterator[Any]:
    """Yield fixed gradients from 1e-5 to 1 with random signs."""
    generator, sizes = np.random.default_rng(0), spread(1e-5, 1.0, 64)
    for _ in range(count):
        yield sizes * generator.choice([-1.0, 1.0], 64) * generator.uniform(0.5, 2.0, 64)


def _walk(program: Program, count: int) -> Any:
    """Return the weights after each step, ``[count, 64]``, on those gradients."""
    tensors = {"w": np.ones(64, dtype=program.dtype)}
    rule, path = Rule(program, tensors), []
    for gradient in _gradients(count):
        rule.step(tensors, {"w": gradient.astype(program.dtype)})
        path.append(tensors["w"].astype(np.float64))
    return np.array(path)


def _apart(obtained: Any, expected: Any) -> float:
    """Return the largest difference relative to how far the weights have moved, which began at one."""
    moved = np.maximum(np.abs(expected - 1.0).max(axis=1), 1.0)
    return float((np.abs(obtained - expected).max(axis=1) / moved).max())


def source(experiment: Experiment) -> list[SourceRow]:
    """Lay the formula of the installed Keras beside both sides, with file and line; Keras is read, not imported.

    Raises:
        NotInstalledError: Keras is not installed.
    """
    found = importlib.util.find_spec("keras")
    if found is None or found.origin is None:
        raise NotInstalledError("keras is not installed; pip install 'optimizer-parity[tensorflow]' brings it.")
    path = Path(found.origin).parent / "src" / "optimizers" / "rmsprop.py"
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise NotInstalledError(f"keras/src/optimizers/rmsprop.py: cannot be read: {error.strerror}.") from error
    a, b = experiment.programs
    return [SourceRow(place, line, _formula(a, part), _formula(b, part)) for part, place, line in _lines(text)]


def _lines(text: str) -> list[tuple[str, str, str]]:
    """Return (part, place, source) for each statement of ``RMSprop.update_step`` that is a part of the formula."""
    tree = ast.parse(text)
    methods = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    rows = []
    for name, part, words in _PARTS:
        for node in ast.walk(methods[name]) if name in methods else []:
            if isinstance(node, ast.Expr | ast.Assign):
                segment = " ".join((ast.get_source_segment(text, node) or "").split())
                if all(word in segment for word in words):
                    rows.append((part, f"keras/src/optimizers/rmsprop.py:{node.lineno}", segment))
                    break
    return rows


_PARTS: Final = (
    ("build", "start", ("self._velocities", "add_optimizer_variables")),
    ("update_step", "second", ("velocity", "ops.multiply(rho", "ops.square(gradient)")),
    ("update_step", "first", ("average_grad", "ops.multiply(1 - rho, gradient)")),
    ("update_step", "inside", ("denominator = ops.add",)),
    ("update_step", "increment", ("increment =", "ops.sqrt")),
    ("update_step", "buffer", ("self.assign(", "momentum", "increment")),
    ("update_step", "apply", ("assign_sub(variable, increment)",)),
)


def _formula(program: Program, part: str) -> str:
    place, outside = program.epsilon_place, program.learning_rate_place == "outside"
    root = {"inside": "√(v + ε)", "outside": "√v + ε", "none": "√v"}[place]
    lines = {
        "start": f"v = {program.second_moment_start:g}",
        "second": f"v = {program.rho:g}·v + {1 - program.rho:g}·g²",
        "first": f"m = {program.rho:g}·m + {1 - program.rho:g}·g" if program.centered else "not centred",
        "inside": f"v + ε, ε = {program.epsilon:g}" if place == "inside" else f"v (ε = {program.epsilon:g} {place})",
        "increment": f"u = {'g' if outside else 'L·g'} / ({root})",
        "buffer": f"b = {program.momentum:g}·b + u" if program.momentum else "no momentum",
        "apply": f"w = w - {'L·' if outside else ''}{'b' if program.momentum else 'u'}",
    }
    return lines[part]
