"""torch.optim.RMSprop on the CPU, one tensor at a time (``foreach=False``).

Departs from tf.keras in four places: epsilon is added after the root (no argument moves it; only at a second moment of
zero does eps = sqrt(keras_epsilon) agree); the learning rate multiplies the momentum buffer when it is subtracted, so
that a change of rate acts on the whole buffer at once; ``weight_decay`` is added to the gradient (decouple it by
decaying the weights yourself before the step); and its defaults are lr=1e-2, alpha=0.99, eps=1e-8. It has no clipping:
``torch.nn.utils.clip_grad_norm_`` is called by the user. Source: torch/optim/rmsprop.py.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from parity.bounds.numerics import Array
from parity.errors import UnsupportedError
from parity.problem.problems import Problem
from parity.subjects.adapter import Tensors
from parity.subjects.library import PLAIN, LibrarySubject, OwnSubject

SLOTS = {"square_avg": "second_moment", "grad_avg": "first_moment", "momentum_buffer": "momentum_buffer"}


class TorchSubject(LibrarySubject):
    """``torch.optim.RMSprop``; a schedule sets the group's learning rate before each step."""

    name = "torch.optim.RMSprop"
    supported = PLAIN | {"weight_decay"}
    remedy = "Clip with torch.nn.utils.clip_grad_norm_ before the step; this adapter adds nothing to the library."

    def build(self, problem: Problem) -> None:
        """Make a tensor of each parameter and the optimizer over them."""
        import torch

        self._torch = torch
        self._params = {name: self._tensor(array).requires_grad_() for name, array in problem.params.items()}
        self._optimizer = self._made(self._params)
        self._used = self._slots_used(problem)
        shown = {k: v for k, v in self._optimizer.defaults.items() if k in ("alpha", "eps", "momentum", "centered")}
        self.resolved = f"{self.name}({', '.join(f'{k}={v!r}' for k, v in shown.items())})"
        self.circumstances = {"torch": torch.__version__, "threads": torch.get_num_threads(), "device": "CPU"}

    def _made(self, params: Mapping[str, Any]) -> Any:
        """Return the optimizer over the tensors."""
        given = self._given
        return self._torch.optim.RMSprop(
            list(params.values()),
            lr=self.rate_at(0),
            alpha=given.rho,
            eps=given.epsilon,
            momentum=given.momentum,
            centered=given.centered,
            weight_decay=given.weight_decay or 0.0,
            foreach=False,
        )

    def _slots_used(self, problem: Problem) -> list[str]:
        """Return the keys of the slots that the optimizer uses."""
        given = self._given
        used = {"square_avg": True, "grad_avg": given.centered, "momentum_buffer": given.momentum > 0}
        return [key for key, is_used in used.items() if is_used]

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
        for key in self._used:
            found[SLOTS[key]] = {name: self._slot(parameter, key) for name, parameter in self._params.items()}
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
        return {**bound.values, **({rate: self.rate_at(0)} if rate in bound.values else {})}

    def _made(self, params: Mapping[str, Any]) -> Any:
        owner, held = self.own.bound(self._given).owns, list(params.values())
        values = self._values()
        return self.own.kind(**{owner: held}, **values) if owner else self.own.kind(held, **values)

    def _slots_used(self, problem: Problem) -> list[str]:
        """Return the keys of its slots, if all are torch's, and zeros until the first gradient that is not zero."""
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
        known = keys <= set(SLOTS) and all(set(each) == keys for each in slots)
        blank = known and not any(bool(value.any()) for each in slots for value in each.values())
        return sorted(keys) if blank else []

    def apply(self, number: int, gradients: Mapping[str, Array]) -> None:
        """Set the rate where it changes, and the gradients, and call ``step``."""
        if callable(self._rate):
            for group in self._optimizer.param_groups:
                group[self._rate_key] = self.rate_at(number)
        self._step(gradients)
