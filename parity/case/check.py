"""A decoded case comes in, and goes on unless its keys contradict each other."""

import math
import re
from typing import Any, Protocol

from parity.case.error import Keys
from parity.case.spec import (
    MAX_ELEMENTS,
    SCHEDULES,
    CaseFile,
    Hyperparameters,
    Mlp,
    Quadratic,
    Replayed,
)
from parity.case.words import PROBES
from parity.errors import SpecError, did_you_mean, shown

LARGEST = {"float64": 1.7976931348623157e308, "float32": 3.4028234e38, "bfloat16": 3.3895313e38, "float16": 65504.0}
SCALED_DTYPES = ("float32", "float64")
INPUTS_AND_CLASSES = {"mnist_first_1000": (784, 10)}


class Refuse(Protocol):
    """Makes the error of a key from what was received and what is allowed."""

    def __call__(self, keys: Keys, text: str, *others: Keys) -> SpecError:
        """Return it, with the line of the key, or of the first of the ``others`` where the case leaves the key out."""


def check(case: CaseFile, refuse: Refuse) -> None:
    """Refuse what types alone cannot: words, pairs of keys, and sizes that do not go together.

    Raises:
        SpecError: the one that ``refuse`` made.
    """
    if case.where_taken:
        raise refuse(("where_taken",), "has no effect without rule = 'each': put it under hyperparameters.")
    if case.only is not None:
        raise refuse(("only",), "has no effect without rule = 'each': remove it.")
    _check_words(case, refuse)
    _check_length(case, refuse)
    _check_files(case, refuse)
    if isinstance(case.problem, Mlp):
        _check_network(case.problem, refuse)
    else:
        _check_tensors(case, case.problem, refuse)
    _check_loss_scale(case, refuse)
    _check_constraints(case, refuse)
    _check_source(case, refuse)
    _check_hyperparameters(case.hyperparameters, _within(refuse, "hyperparameters"))
    _check_learning_rate(case.hyperparameters, _within(refuse, "hyperparameters", "learning_rate"))


def _within(refuse: Refuse, *table: str) -> Refuse:
    """Return what refuses keys that are told from a table on."""

    def inside(keys: Keys, text: str, *others: Keys) -> SpecError:
        return refuse((*table, *keys), text, *((*table, *other) for other in others))

    return inside


def _check_words(case: CaseFile, refuse: Refuse) -> None:
    for word in case.probes:
        if word not in PROBES:
            hint = did_you_mean(word, list(PROBES))
            raise refuse(("probes",), f"received {shown(word)}.{hint} Allowed: {', '.join(sorted(PROBES))}.")
    for key in ("probes", "comparisons"):
        words = getattr(case, key)
        if len(set(words)) < len(words):
            raise refuse((key,), f"received {shown(words)}; name each at most once.")


def _check_length(case: CaseFile, refuse: Refuse) -> None:
    if case.steps is None and case.epochs is None:
        raise refuse(("steps",), "missing, and epochs too; give exactly one of them.")
    if case.steps is not None and case.epochs is not None:
        raise refuse(("epochs",), "received together with steps; give exactly one of them.")
    if case.epochs is not None and not isinstance(case.problem, Mlp):
        raise refuse(("epochs",), f"received {case.epochs}; only problem.kind = 'mlp' has epochs: give steps instead.")


def _check_files(case: CaseFile, refuse: Refuse) -> None:
    pairs: list[tuple[str, str, str, bool, str | None]] = [
        ("weights", "kind", case.weights.kind, case.weights.kind == "file", case.weights.file)
    ]
    if isinstance(case.problem, Replayed):
        recorded = case.problem.generator == "recorded"
        pairs.append(("problem", "generator", case.problem.generator, recorded, case.problem.file))
    for table, key, word, needs_file, file in pairs:
        if needs_file and file is None:
            text = f"missing; {word!r} needs the path of an NPZ file, relative to the case."
            raise refuse((table, "file"), text, (table, key))
        if file is not None and not needs_file:
            raise refuse((table, "file"), f"received {shown(file)}, which {word!r} does not read: remove it.")
        if getattr(getattr(case, table), "non_finite", False) and not needs_file:
            raise refuse((table, "non_finite"), f"received true; {word!r} makes finite numbers: remove it.")
    if isinstance(case.problem, Replayed):
        _check_sparse(case.problem, refuse)
        _check_absent("absent", case.problem, refuse)
        _check_absent("frozen", case.problem, refuse)
        _check_overflow(case, case.problem, refuse)


def _check_absent(which: str, problem: Replayed, refuse: Refuse) -> None:
    given: dict[str, list[int]] = getattr(problem, which)
    out = [
        {(name, step) for name, steps in each.items() for step in steps} for each in (problem.absent, problem.frozen)
    ]
    for name, steps in given.items():
        key = ("problem", which, name)
        if name not in problem.tensors:
            raise refuse(key, f"received no shape of it in problem.tensors; give one, such as {name} = [5, 3].")
        if name in problem.sparse:
            raise refuse(key, f"received {shown(steps)}; {name} is sparse: name another tensor.")
        everywhere = [step for step in steps if all((each, step) in out[0] | out[1] for each in problem.tensors)]
        if everywhere:
            raise refuse(key, f"received step {everywhere[0]}, at which no other tensor has a gradient: leave one.")


def _check_overflow(case: CaseFile, problem: Replayed, refuse: Refuse) -> None:
    for name, steps in problem.overflow.items():
        key = ("problem", "overflow", name)
        if not math.prod(problem.tensors.get(name, [0])) or name in problem.sparse:
            raise refuse(key, f"received {shown(steps)}; allowed: a dense tensor of problem.tensors with an element.")
        if case.loss_scale is None:
            raise refuse(key, f"received {shown(steps)}; only a loss scale skips such steps: set loss_scale too.")


def _check_loss_scale(case: CaseFile, refuse: Refuse) -> None:
    if case.loss_scale is None:
        return
    text, problem = "received together with loss_scale", case.problem
    if not isinstance(problem, Replayed):
        raise refuse(("loss_scale",), f"needs problem.kind = 'replayed'; received {_kind(problem)!r}.")
    if case.dtype not in SCALED_DTYPES:
        allowed = " or ".join(SCALED_DTYPES)
        # Gradients of 16 bits are float32 once they were divided by the scale, and stay so until they are used. And a
        # slot has the dtype of the weights: a scale of 2**16 is infinite in float16, a count ends at 256 in bfloat16.
        raise refuse(("dtype",), f"{text}, {case.dtype!r}; allowed: {allowed}, the dtypes that tf.keras keeps there.")
    for key in ("absent", "frozen", "sparse"):
        if getattr(problem, key):
            raise refuse(("problem", key), f"{text}: remove one of them.")
    if case.hyperparameters.loss_scale_factor is not None:
        raise refuse(("hyperparameters", "loss_scale_factor"), f"{text}, beneath which tf.keras drops it: remove it.")


def _check_constraints(case: CaseFile, refuse: Refuse) -> None:
    problem = case.problem
    if case.constraints and not isinstance(problem, Replayed):
        raise refuse(("constraints",), f"needs problem.kind = 'replayed'; received {_kind(problem)!r}.")
    for name, each in case.constraints.items():
        shape = getattr(problem, "tensors", {}).get(name)
        if shape is None:
            raise refuse(
                ("constraints", name), f"received no shape of it in problem.tensors; give one: {name} = [5, 3]."
            )
        if getattr(each, "axis", -1) >= len(shape):
            raise refuse(("constraints", name, "axis"), f"{name} has {len(shape)} dimensions, counted from 0.")
        if getattr(each, "min_value", 0.0) > getattr(each, "max_value", math.inf):
            raise refuse(("constraints", name, "min_value"), "allowed: at most max_value.")


def _check_sparse(problem: Replayed, refuse: Refuse) -> None:
    for name, rows in problem.sparse.items():
        key, shape = ("problem", "sparse", name), problem.tensors.get(name)
        if problem.generator != "recorded":
            raise refuse(key, f"received {shown(rows)}; only the generator 'recorded' has rows: remove it.")
        if not shape:
            received = "no shape of it" if shape is None else "a scalar"
            raise refuse(key, f"received {received} in problem.tensors; give one, such as {name} = [5, 3].")
        if any(row >= shape[0] for row in rows):
            raise refuse(key, f"received row {max(rows)}; {name} has {shape[0]} rows, counted from 0.")


def _check_tensors(case: CaseFile, problem: Replayed | Quadratic, refuse: Refuse) -> None:
    recorded = isinstance(problem, Replayed) and problem.generator == "recorded"
    sizes = [math.prod(shape) for shape in problem.tensors.values()]
    if not recorded and not any(sizes):
        received = "only empty tensors" if sizes else "none"
        raise refuse(("problem", "tensors"), f"received {received}; give at least one, such as {{ kernel = [4, 8] }}.")
    if sum(sizes) > MAX_ELEMENTS:
        raise refuse(("problem", "tensors"), f"received {sum(sizes)} elements; allowed: at most {MAX_ELEMENTS}.")
    if getattr(problem, "order", "fixed") == "rotating" and not recorded and len(sizes) < 2:
        raise refuse(("problem", "order"), "received 'rotating' with one tensor, which has one order: remove it.")
    if problem.low > problem.high:
        text = f"received {problem.low}, above problem.high = {problem.high}; allowed: at most it."
        raise refuse(("problem", "low"), text, ("problem", "high"))
    if problem.high > LARGEST[case.dtype]:
        largest = LARGEST[case.dtype]
        raise refuse(("problem", "high"), f"received {problem.high}; {case.dtype} holds numbers up to {largest}.")


def _check_network(problem: Mlp, refuse: Refuse) -> None:
    inputs, classes = INPUTS_AND_CLASSES[problem.data]
    if problem.layers[0] > inputs or problem.layers[-1] != classes:
        received, allowed = shown(problem.layers), f"at most {inputs} inputs and {classes} outputs"
        raise refuse(("problem", "layers"), f"received {received}; {problem.data} allows {allowed}.")
    parameters = sum((fan_in + 1) * out for fan_in, out in zip(problem.layers, problem.layers[1:], strict=False))
    if parameters > MAX_ELEMENTS:
        raise refuse(("problem", "layers"), f"received {parameters} parameters; allowed: at most {MAX_ELEMENTS}.")
    if problem.batch_size > problem.examples:
        text = f"received {problem.batch_size}; allowed: at most examples = {problem.examples}."
        raise refuse(("problem", "batch_size"), text)


def _check_source(case: CaseFile, refuse: Refuse) -> None:
    replayed = isinstance(case.problem, Replayed)
    if replayed != (case.gradients == "replayed"):
        kind, allowed = ("replayed", "'replayed'") if replayed else (_kind(case.problem), "'shared' or 'computed'")
        received = f"received {case.gradients!r}"
        raise refuse(("gradients",), f"{received}; problem.kind = {kind!r} allows {allowed}.", ("problem", "kind"))


def _kind(problem: Any) -> str:
    return str(problem.__struct_config__.tag)


def _check_hyperparameters(given: Hyperparameters, refuse: Refuse) -> None:
    clips = [name for name in ("clipnorm", "clipvalue", "global_clipnorm") if getattr(given, name) is not None]
    if len(clips) > 1:
        raise refuse((clips[1],), f"received together with {clips[0]}; Keras allows one of them: remove the other.")
    if not given.use_ema and (given.ema_overwrite_frequency is not None or given.ema_momentum != 0.99):
        key = "ema_momentum" if given.ema_overwrite_frequency is None else "ema_overwrite_frequency"
        raise refuse((key,), f"received {getattr(given, key)}; has no effect without use_ema = true: set that too.")
    if given.exclude_from_weight_decay and given.weight_decay is None:
        raise refuse(("exclude_from_weight_decay",), "has no effect without weight_decay: set that too.")
    for name, patterns in ((each, getattr(given, each)) for each in given.__struct_fields__):
        for pattern in patterns if isinstance(patterns, list) else []:
            try:
                re.compile(pattern)
            except (re.error, RecursionError, OverflowError) as error:
                text = f"received {shown(pattern)}, which is no regular expression: {error}."
                raise refuse((name,), text) from error


def _check_learning_rate(given: Hyperparameters, refuse: Refuse) -> None:
    rate = given.learning_rate
    if isinstance(rate, SCHEDULES["PiecewiseConstantDecay"]):
        if len(rate.values) != len(rate.boundaries) + 1:
            count = len(rate.boundaries)
            raise refuse(("values",), f"received {len(rate.values)} for {count} boundaries; allowed: {count + 1}.")
        if any(after <= before for before, after in zip(rate.boundaries, rate.boundaries[1:], strict=False)):
            raise refuse(("boundaries",), f"received {shown(rate.boundaries)}; each must be above the one before.")
    if isinstance(rate, SCHEDULES["CosineDecay"]) and (rate.warmup_target is None) != (rate.warmup_steps == 0):
        received = f"received {rate.warmup_steps} with warmup_target = {rate.warmup_target}"
        text = f"{received}; a warm-up needs both, at least 1 step and a target."
        raise refuse(("warmup_steps",), text, ("warmup_target",))
