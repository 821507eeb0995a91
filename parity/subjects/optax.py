"""optax, called without ``jit``, one operation at a time.

rmsprop departs from tf.keras in rounding only, if epsilon and decay are passed: the gradient is multiplied by
``rsqrt`` of the second moment, and by the learning rate after that. Its default epsilon is 1e-8; ``eps_in_sqrt=False``
gives torch's place and ``initial_scale=1.0`` TF1's start, ``nesterov`` and ``bias_correction`` are off unless asked
for. The trace holds the momentum buffer with the opposite sign. Weight decay and clipping are transforms of their own,
and where one chains them is the user's choice. Source: optax/_src/alias.py, optax/_src/transform.py.

Of the others adam adds epsilon to the corrected root (Algorithm 1; Keras: epsilon hat), nadam has a constant momentum
where Keras has a schedule, adamw, lamb and lion decay by the new step and not before it. The trace of sgd is a sum of
gradients, without the rate: it is not shown. amsgrad keeps the largest corrected second moment, where Keras corrects
the largest one. contrib.muon adds its one epsilon to the norm and in Adam, corrects the bias of its mean, a step
further on with Nesterov, by which Adam's tensors go, too, and takes every matrix. contrib.schedule_free_adamw recovers
the average with the old iterate, as the paper has it. Source: the same files, optax/contrib/*.py.
"""

from collections.abc import Iterator, Mapping
from operator import attrgetter
from typing import Any

import numpy as np

from parity.bounds.numerics import Array
from parity.errors import UnsupportedError
from parity.problem.problems import Problem
from parity.subjects.adapter import Tensors
from parity.subjects.library import LibrarySubject, OwnSubject, Row

_BETAS = {"b1": "beta_1", "b2": "beta_2", "eps": "epsilon"}
_DECAY = {"weight_decay": "weight_decay"}
_MOMENTS = {"mu": "first_moment", "nu": "second_moment"}
_AMSGRAD = Row("amsgrad", _BETAS, _MOMENTS)
ROWS: Mapping[str, Row] = {
    "rmsprop": Row(
        "rmsprop",
        {"decay": "rho", "eps": "epsilon", "centered": "centered", "momentum": "momentum"},
        {"nu": "second_moment", "mu": "first_moment", "trace": "momentum_buffer"},
        off=("momentum",),
    ),
    "sgd": Row("sgd", {"momentum": "momentum", "nesterov": "nesterov"}, {}, off=("momentum",)),
    "adam": Row("adam", _BETAS, _MOMENTS, instead={"amsgrad": _AMSGRAD}),
    "adamw": Row("adamw", {**_BETAS, **_DECAY}, _MOMENTS),
    "adamax": Row("adamax", _BETAS, {"mu": "first_moment", "nu": "infinity_norm"}),
    "nadam": Row("nadam", _BETAS, _MOMENTS),
    "adagrad": Row(
        "adagrad",
        {"initial_accumulator_value": "initial_accumulator_value", "eps": "epsilon"},
        {"sum_of_squares": "sum_of_squares"},
    ),
    "adadelta": Row(
        "adadelta",
        {"rho": "rho", "eps": "epsilon", **_DECAY},
        {"e_g": "second_moment", "e_x": "change_moment"},
    ),
    "lion": Row("lion", {"b1": "beta_1", "b2": "beta_2", **_DECAY}, {"mu": "first_moment"}),
    "lamb": Row("lamb", {**_BETAS, **_DECAY}, _MOMENTS),
    "adafactor": Row(
        "adafactor", {"clipping_threshold": "clip_threshold", "eps": "epsilon_1"}, {}, {"min_dim_size_to_factor": 1}
    ),
    "muon": Row(
        "contrib.muon",
        {
            "ns_coeffs": ("muon_a", "muon_b", "muon_c"),
            "ns_steps": "ns_steps",
            "beta": "momentum",
            "nesterov": "nesterov",
            "eps": "epsilon",
            "consistent_rms": "rms_rate",
            "adam_b1": "adam_beta_1",
            "adam_b2": "adam_beta_2",
            "adam_weight_decay": "adam_weight_decay",
            **_DECAY,
        },
        {},
    ),
    "schedule_free_adamw": Row(
        "contrib.schedule_free_adamw",
        {**_BETAS, "warmup_steps": "warmup_steps", **_DECAY},
        {"z": "base_iterate", "nu": "second_moment"},
        off=("warmup_steps",),
    ),
}
"""What optax has of each rule; Ftrl it has not."""


class OptaxSubject(LibrarySubject):
    """A function of ``optax``, and ``optax.apply_updates``; a schedule goes in as a callable of the count."""

    library = "optax"
    rows = ROWS
    remedy = "Chain a transform of optax; where it stands is your choice, so this adapter does not make it."

    def build(self, problem: Problem) -> None:
        """Make the gradient transformation and its state."""
        from importlib import import_module

        # By name, so that the type checker says the same with and without these libraries.
        jax: Any = import_module("jax")
        optax: Any = import_module("optax")
        config: Any = jax.config
        if problem.cell.dtype == "float64":
            config.update("jax_enable_x64", True)
        self._jax, self._optax = jax, optax
        self._transform = self._made()
        self._params = {name: jax.numpy.asarray(array) for name, array in problem.params.items()}
        self._state = self._transform.init(self._params)
        self.circumstances = {
            "jax": jax.__version__,
            "optax": optax.__version__,
            "x64": bool(config.jax_enable_x64),
            "device": jax.devices()[0].platform.upper(),
        }

    def _made(self) -> Any:
        """Return the transformation."""
        values = self.row.values(self._given)
        self.resolved = f"{self.name}({', '.join(f'{k}={v!r}' for k, v in values.items() if k != 'weight_decay')})"
        return attrgetter(self.row.kind)(self._optax)(_counted(self._rate), **values)

    def apply(self, number: int, gradients: Mapping[str, Array]) -> None:
        """Transform the gradients and add the updates."""
        grads = {name: self._jax.numpy.asarray(gradients[name]) for name in self._params}
        updates, self._state = self._transform.update(grads, self._state, self._params)
        self._params = self._optax.apply_updates(self._params, updates)

    def read(self) -> dict[str, Tensors]:
        """Return parameters and slots; the trace with its sign turned."""
        found: dict[str, Tensors] = {"parameter": _arrays(self._params)}
        used = self.used()
        for word, tensors in _held(self._state, set(self._params)):
            if word in used:
                sign = -1 if word == "trace" else 1
                found[used[word]] = {name: sign * array for name, array in _arrays(tensors).items()}
        return found


class OwnOptaxSubject(OwnSubject, OptaxSubject):
    """Somebody's ``optax.GradientTransformation``; of its state that is shown which it names as optax does."""

    title = "an optax.GradientTransformation, update(grads, state, params) and optax.apply_updates"

    def build(self, problem: Problem) -> None:
        """Make the transformation, and try a step, which shows what its state holds."""
        super().build(problem)
        ones = self._jax.tree.map(self._jax.numpy.ones_like, self._params)
        try:
            updates, state = self._transform.update(ones, self._state, self._params)
        except TypeError as error:
            if not callable(self._rate):
                raise
            kind = type(problem.cell.hyperparameters.learning_rate).__name__
            raise UnsupportedError(
                f"it takes a number for its learning rate, not a callable of the count: the case sets {kind}."
            ) from error
        held = list(_held(state, set(self._params)))
        words = [word for word, _ in held]
        names = ROWS[problem.cell.rule].slots if problem.cell.rule in ROWS else {}
        self._known = names if len(set(words)) == len(words) and set(words) <= set(names) else {}
        # The buffer of tf.keras is subtracted; a trace holds that, or what is added, by its place in a chain.
        traced = next((tensors for word, tensors in held if word == "trace"), {})
        self._turned = any(float((traced[n] * updates[n]).sum()) > 0 for n in traced)
        self.tell()

    def _made(self) -> Any:
        bound = self.own.bound(self._given)
        values = bound.passing({name: _counted(value) for name, value in bound.values.items()})
        self.resolved = self.shown(values)
        return self.own.kind(**values)

    def read(self) -> dict[str, Tensors]:
        """Return parameters and what the state holds of each tensor."""
        found: dict[str, Tensors] = {"parameter": _arrays(self._params)}
        for word, tensors in _held(self._state, set(self._params)):
            if word in self._known:
                sign = -1 if word == "trace" and self._turned else 1
                found[self._known[word]] = {name: sign * array for name, array in _arrays(tensors).items()}
        return found


def _held(state: Any, names: set[str], word: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield what a state holds of each tensor: the name of a field, and the mapping with every tensor in it."""
    if isinstance(state, Mapping):
        if set(state) == names:
            yield word, state
            return
        for key, value in state.items():
            yield from _held(value, names, str(key))
    elif isinstance(state, tuple | list):
        fields = getattr(state, "_fields", [word] * len(state))
        for field, value in zip(fields, state, strict=True):
            yield from _held(value, names, field)


def _counted(value: Any) -> Any:
    """Return a schedule as optax calls it, with a count that is an array; anything else as it is."""
    return (lambda count: value(int(count))) if callable(value) else value


def _arrays(tensors: Mapping[str, Any]) -> dict[str, Array]:
    return {name: np.array(tensor) for name, tensor in tensors.items()}
