"""torch.optim on the CPU, one tensor at a time (``foreach=False``).

RMSprop departs from tf.keras in four places: epsilon is added after the root (no argument moves it; only at a second
moment of zero does eps = sqrt(keras_epsilon) agree); the learning rate multiplies the momentum buffer when it is
subtracted, so that a change of rate acts on the whole buffer at once; ``weight_decay`` is added to the gradient
(decouple it by decaying the weights yourself before the step); and its defaults are lr=1e-2, alpha=0.99, eps=1e-8. It
has no clipping: ``torch.nn.utils.clip_grad_norm_`` is called by the user. Source: torch/optim/rmsprop.py.

The others likewise: Adam and AdamW add epsilon to the corrected root, as Algorithm 1 has it (Keras: epsilon hat),
Adagrad adds it after the root, NAdam has the factor .004 that Keras lost, decay is added to the gradient but for
AdamW. The buffer of SGD is a sum of gradients, without the rate: it is not shown. Nor are Adafactor's factors, which
keep a dimension of one. Muon takes matrices alone and makes its rounds in bfloat16 whatever the dtype; its buffer is a
mean, which has the direction of Keras' sum and is not shown, its norm has a floor and no epsilon beside it, and
``adjust_lr_fn`` has Keras' default factor, an ``rms_rate`` of .2, and no other. Source: torch/optim/*.py.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from parity.bounds.numerics import Array
from parity.errors import UnsupportedError
from parity.problem.problems import Problem
from parity.subjects.adapter import Tensors
from parity.subjects.library import LibrarySubject, OwnSubject, Row

_DECAY = {"weight_decay": "weight_decay"}
_BETAS: dict[str, str | tuple[str, ...]] = {"betas": ("beta_1", "beta_2"), "eps": "epsilon", **_DECAY}
_MOMENTS = {"exp_avg": "first_moment", "exp_avg_sq": "second_moment"}
_ADAM = {**_MOMENTS, "max_exp_avg_sq": "second_moment_max"}
ROWS: Mapping[str, Row] = {
    "rmsprop": Row(
        "RMSprop",
        {"alpha": "rho", "eps": "epsilon", "momentum": "momentum", "centered": "centered", **_DECAY},
        {"square_avg": "second_moment", "grad_avg": "first_moment", "momentum_buffer": "momentum_buffer"},
    ),
    "sgd": Row("SGD", {"momentum": "momentum", "nesterov": "nesterov", **_DECAY}, {}),
    "adam": Row("Adam", {**_BETAS, "amsgrad": "amsgrad"}, _ADAM),
    "adamw": Row("AdamW", {**_BETAS, "amsgrad": "amsgrad"}, _ADAM),
    "adamax": Row("Adamax", _BETAS, {"exp_avg": "first_moment", "exp_inf": "infinity_norm"}),
    "nadam": Row("NAdam", _BETAS, _MOMENTS),
    "adagrad": Row(
        "Adagrad",
        {"initial_accumulator_value": "initial_accumulator_value", "eps": "epsilon", **_DECAY},
        {"sum": "sum_of_squares"},
    ),
    "adadelta": Row(
        "Adadelta",
        {"rho": "rho", "eps": "epsilon", **_DECAY},
        {"square_avg": "second_moment", "acc_delta": "change_moment"},
    ),
    "adafactor": Row(
        "Adafactor",
        {"beta2_decay": "beta_2_decay", "eps": ("epsilon_1", "epsilon_2"), "d": "clip_threshold", **_DECAY},
        {},
    ),
    "muon": Row(
        "Muon",
        {
            "momentum": "momentum",
            "nesterov": "nesterov",
            "ns_coefficients": ("muon_a", "muon_b", "muon_c"),
            "ns_steps": "ns_steps",
            **_DECAY,
        },
        {},
        {"adjust_lr_fn": "match_rms_adamw"},
        matrices_alone=True,
    ),
}
"""What torch.optim has of each rule; Lion, Ftrl, Lamb and ScheduleFreeAdamW it has not."""


class TorchSubject(LibrarySubject):
    """An optimizer of ``torch.optim``; a schedule sets the group's learning rate before each step."""

    library = "torch.optim"
    rows = ROWS
    remedy = "Clip with torch.nn.utils.clip_grad_norm_ before the step; this adapter adds nothing to the library."

    def build(self, problem: Problem) -> None:
        """Make a tensor of each parameter and the optimizer over them."""
        import torch

        self._torch = torch
        self._params = {name: self._tensor(array).requires_grad_() for name, array in problem.params.items()}
        self._optimizer = self._made(self._params)
        self._used = self._slots_used(problem)
        taken = {} if problem.cell.rule not in self.rows else {**self.row.arguments}
        shown = {k: v for k, v in self._optimizer.defaults.items() if k in taken and k != "weight_decay"}
        self.resolved = f"{self.name}({', '.join(f'{k}={v!r}' for k, v in shown.items())})"
        self.circumstances = {"torch": torch.__version__, "threads": torch.get_num_threads(), "device": "CPU"}

    def _made(self, params: Mapping[str, Any]) -> Any:
        """Return the optimizer over the tensors."""
        kind = getattr(self._torch.optim, self.row.kind)
        return kind(list(params.values()), lr=self.rate_at(0), **self.apart, **self.row.values(self._given))

    @property
    def apart(self) -> dict[str, bool]:
        """What has the optimizer take one tensor at a time; one of matrices alone does so, and has no such argument."""
        return {} if self.row.matrices_alone else {"foreach": False}

    def _slots_used(self, problem: Problem) -> dict[str, str]:
        """Return the keys of the slots that the optimizer uses, to ours."""
        return self.used()

    def apply(self, number: int, gradients: Mapping[str, Array]) -> None:
        """Set the rate and the gradients, and call ``step``."""
        for group in self._optimizer.param_groups:
            group["lr"] = self.rate_at(number)
        self._step(gradients)

    def _step(self, gradients: Mapping[str, Array]) -> None:
        for name, parameter in self._params.items():
            parameter.grad = self._tensor(gradients[name])
        self._optimizer.step()

    def read(self) -> dict[str, Tensors]:
        """Return parameters and slots; torch creates its slots, zeros all, at the first step."""
        found: dict[str, Tensors] = {"parameter": {n: self._array(p.detach()) for n, p in self._params.items()}}
        for key, slot in self._used.items():
            found[slot] = {name: self._slot(parameter, key) for name, parameter in self._params.items()}
        return found

    def _slot(self, parameter: Any, key: str) -> Array:
        state = self._optimizer.state.get(parameter, {})
        return self._array(state[key] if key in state else self._torch.zeros_like(parameter).detach())

    def _tensor(self, array: Array) -> Any:
        # torch.from_numpy does not know ml_dtypes' bfloat16; the bits are the same.
        if array.dtype.name == "bfloat16":
            return self._torch.from_numpy(array.view(np.int16).copy()).view(self._torch.bfloat16)
        return self._torch.from_numpy(np.array(array))

    def _array(self, tensor: Any) -> Array:
        if tensor.dtype == self._torch.bfloat16:
            return np.array(tensor.view(self._torch.int16).numpy()).view(self._problem.dtype)
        return np.array(tensor.numpy())


class OwnTorchSubject(OwnSubject, TorchSubject):
    """Somebody's optimizer that extends ``torch.optim.Optimizer``; slots are shown if they are named as torch does."""

    title = "a subclass of torch.optim.Optimizer, step() on parameters with .grad"

    def build(self, problem: Problem) -> None:
        """Make the optimizer, and see where it keeps its learning rate."""
        super().build(problem)
        bound = self.own.bound(self._given)
        rate = bound.spelled.get("learning_rate", "")
        groups = self._optimizer.param_groups
        self._rate_key = next((key for key in ("lr", rate) if all(key in group for group in groups)), "")
        if callable(self._rate) and rate and not self._rate_key:
            kind = type(problem.cell.hyperparameters.learning_rate).__name__
            raise UnsupportedError(
                f"the class keeps no 'lr' in its param_groups, where torch changes it: the case sets {kind}."
            )
        self.resolved = self.shown(self._values())
        self.tell()

    def _values(self) -> dict[str, Any]:
        bound = self.own.bound(self._given)
        rate = bound.spelled.get("learning_rate", "")
        values = {**bound.values, **({rate: self.rate_at(0)} if rate in bound.values else {})}
        return bound.passing(values)

    def _made(self, params: Mapping[str, Any]) -> Any:
        owner, held = self.own.bound(self._given).owns, list(params.values())
        values = self._values()
        return self.own.kind(**{owner: held}, **values) if owner else self.own.kind(held, **values)

    def _slots_used(self, problem: Problem) -> dict[str, str]:
        """Return its slots to ours, if all are torch's, and zeros until the first gradient that is not zero."""
        params = {name: self._tensor(np.zeros_like(w)).requires_grad_() for name, w in problem.params.items()}
        trial = self._made(params)
        for parameter in params.values():
            parameter.grad = self._torch.zeros_like(parameter).detach()
        trial.step()
        states = [trial.state.get(parameter, {}) for parameter in params.values()]
        slots = [
            {key: v for key, v in state.items() if getattr(v, "shape", None) == parameter.shape and key != "step"}
            for state, parameter in zip(states, params.values(), strict=True)
        ]
        keys = set(slots[0])
        names = ROWS[problem.cell.rule].slots if problem.cell.rule in ROWS else {}
        known = keys <= set(names) and all(set(each) == keys for each in slots)
        blank = known and not any(bool(value.any()) for each in slots for value in each.values())
        return {key: names[key] for key in sorted(keys)} if blank else {}

    def apply(self, number: int, gradients: Mapping[str, Array]) -> None:
        """Set the rate where it changes, and the gradients, and call ``step``."""
        if callable(self._rate):
            for group in self._optimizer.param_groups:
                group[self._rate_key] = self.rate_at(number)
        self._step(gradients)
