"""What the JSON of a vector holds, its schema, and the files that one vector is written to."""

import hashlib
from typing import Any, Final

import msgspec
import numpy as np
from msgspec import Struct
from safetensors.numpy import save

from parity.bounds.numerics import Array
from parity.bounds.rule import reference_rule
from parity.case.rule import find
from parity.case.spec import Cell
from parity.export.expected import Expected
from parity.problem.problems import Problem
from parity.reference.optimizer import as_float32
from parity.trajectory.golden.place import stem
from parity.trajectory.golden.tie import description

FORMAT: Final = 2
REQUIRES: Final[dict[str, str]] = {
    "momentum": "a momentum buffer",
    "centered": "the running mean of the gradients, subtracted from the second moment",
    "nesterov": "a step that looks ahead of the momentum buffer",
    "amsgrad": "the largest second moment so far, in its place",
    "learning_rate_change": "a learning rate that changes from step to step; each step's is given",
    "weight_decay": "decoupled weight decay, before the step: w -= w * weight_decay * learning_rate",
    "clipping": "gradients clipped by value, by each tensor's norm, or by the norm of all tensors",
    "use_ema": "a running average of the parameters, which may overwrite them",
    "loss_scale": "gradients divided by the loss scale before anything else",
    "gradient_accumulation": "gradients added up over several steps; only the last of them updates",
}


_OFF: Final = {"loss_scale_factor": 1.0, "gradient_accumulation_steps": 1.0}
KEEPS: Final = ("rho", "beta_1", "beta_2", "adam_beta_1", "adam_beta_2")
"""What the means of rules keep of the old."""
_DECAYS: Final = ("weight_decay", "adam_weight_decay")


class Source(Struct, frozen=True):
    """Where a vector comes from: the case, how many of its steps, the page that made the values, and who agrees."""

    case: str
    of_steps: int
    made_by: str
    agrees: list[str]


class Vector(Struct, frozen=True):
    """One vector of a rule. ``values`` names the safetensors file beside it, ``sha256`` is the digest of its bytes.

    ``flags`` are the mistakes that the vector exists for, ``catches`` all variants of all mistakes that were
    shown to leave its bounds: ``epsilon_place/outside``.
    """

    conformance: int
    id: str
    rule: str
    summary: str
    flags: list[str]
    catches: list[str]
    requires: list[str]
    dtype: str
    steps: int
    tensors: dict[str, list[int]]
    slots: list[str]
    decayed: list[str]
    constants: dict[str, float]
    learning_rates: list[float]
    hyperparameters: dict[str, Any]
    notes: list[str]
    source: Source
    values: str
    sha256: str


def make_vector(problem: Problem, made: Expected, agrees: list[str]) -> tuple[Vector, dict[str, Array]]:
    """Return a vector of a cell, which knows neither what it catches nor its values' digest, and its values by name."""
    cell = problem.cell
    constants = _constants(cell)
    slots = list(dict.fromkeys(name.partition("/")[0] for name in made.values))
    vector = Vector(
        conformance=FORMAT,
        id=cell.id,
        rule=cell.rule,
        summary=cell.summary,
        flags=[],
        catches=[],
        requires=requires(cell),
        dtype=cell.dtype,
        steps=len(made.learning_rates),
        tensors={name: list(shape) for name, shape in problem.shapes.items()},
        slots=slots,
        decayed=_decayed(problem),
        constants=constants,
        learning_rates=made.learning_rates,
        hyperparameters=description(cell)["hyperparameters"],
        notes=_notes(cell),
        source=Source(cell.id, cell.steps, f"reference/{find(cell.rule, cell.folder).page.name}", agrees),
        values=f"{stem(cell.id)}.safetensors",
        sha256="",
    )
    return vector, _tensors(made, constants)


def files(vector: Vector, values: dict[str, Array]) -> dict[str, bytes]:
    """Return the two files of a vector by name: the same bytes for the same vector."""
    content = save(values)
    whole = msgspec.structs.replace(vector, sha256=hashlib.sha256(content).hexdigest())
    text = msgspec.json.format(msgspec.json.encode(whole), indent=1) + b"\n"
    return {vector.values.replace(".safetensors", ".json"): text, vector.values: content}


def requires(cell: Cell) -> list[str]:
    """Return what an optimizer needs beyond the bare rule to be judged by a cell."""
    given = cell.hyperparameters
    used = {
        "momentum": getattr(given, "momentum", 0.0) > 0,
        "centered": getattr(given, "centered", False),
        "nesterov": getattr(given, "nesterov", False),
        "amsgrad": getattr(given, "amsgrad", False),
        "learning_rate_change": not isinstance(given.learning_rate, float | int),
        "weight_decay": any(getattr(given, name, None) for name in _DECAYS),
        "clipping": any((given.clipnorm, given.clipvalue, given.global_clipnorm)),
        "use_ema": given.use_ema,
        "loss_scale": given.loss_scale_factor is not None,
        "gradient_accumulation": given.gradient_accumulation_steps is not None,
    }
    return [name for name in REQUIRES if used[name]]


def _tensors(made: Expected, constants: dict[str, float]) -> dict[str, Array]:
    """Name every number that a step needs, so that the values file suffices to run and judge a vector."""
    found: dict[str, Array] = {"learning_rate": np.asarray(made.learning_rates, dtype=np.float64)}
    for name, number in constants.items():
        found[f"constant/{name}"] = np.asarray([number], dtype=np.float64)
    for title, columns in (("gradient", made.gradients), ("expected", made.values), ("bound_step", made.step),
                           ("bound_run", made.run)):  # fmt: skip
        found.update({f"{title}/{name}": column for name, column in columns.items()})
    return found


def _constants(cell: Cell) -> dict[str, float]:
    """Return the numbers of the rule as the arithmetic uses them; what is off is 0, or 1 where it divides or counts.

    What a mean keeps has its complement beside it, ``one_minus_rho``, formed in float64; the weight decay has been
    through float32, as Keras has it.
    """
    given, found = cell.hyperparameters, dict[str, float]()
    for name, domain, _ in find(cell.rule, cell.folder).parameters:
        if domain in ("rate", "patterns"):
            continue
        value = getattr(given, name)
        found[name] = float(_OFF.get(name, 0.0) if value is None else value)
        if name in KEEPS:
            found[f"one_minus_{name}"] = 1 - found[name]
    return found | {name: as_float32(found[name]) for name in _DECAYS if name in found}


def _decayed(problem: Problem) -> list[str]:
    """Return the tensors that weight decay reaches, so that a consumer needs no regular expressions."""
    rule = reference_rule(problem.cell)
    ones = {name: np.ones((1,) * len(shape)) for name, shape in problem.shapes.items()}
    decaying = {name: one for name, one in ones.items() if rule.decay_of(name, one)}
    return [name for name, one in decaying.items() if rule._decayed(name, one, one, 0.5)[0] is not one]


def _notes(cell: Cell) -> list[str]:
    given, found = cell.hyperparameters, []
    if cell.dtype in ("float16", "bfloat16"):
        found.append("Constants go to float32 first, then to the dtype of the parameters, as in TensorFlow.")
    if cell.dtype == "float64":
        found.append("The learning rate and weight decay went through float32, as in Keras; all else is double.")
    if given.gradient_accumulation_steps:
        found.append("A step that only accumulates leaves parameters and moments as they are; a schedule counts it.")
    if given.use_ema:
        found.append("The average is updated after every call, also one that only accumulates; at the first its old "
                     "value counts nothing.")  # fmt: skip
    if given.clipnorm or given.global_clipnorm:
        found.append("A norm may be summed in any order: the bound allows for that.")
    if getattr(given, "centered", False):
        found.append("Where the centred variance cancels, a bound may be infinite: nothing is judged there.")
    return found
