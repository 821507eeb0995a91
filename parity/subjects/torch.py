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
from parity.problem.problems import Problem
from parity.subjects.adapter import Own, Tensors
from parity.subjects.binding.arguments import bind
from parity.subjects.library import PLAIN, LibrarySubject

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
        self._optimizer, self._used = self._made(list(self._params.values()))
        shown = {k: v for k, v in self._optimizer.defaults.items() if k in ("alpha", "eps", "momentum", "centered")}
        self.resolved = f"{self.name}({', '.join(f'{k}={v!r}' for k, v in shown.items())})"
        self.circumstances = {"torch": torch.__version__, "threads": torch.get_num_threads(), "device": "CPU"}

    def _made(self, params: list[Any]) -> tuple[Any, list[str]]:
        """Return the optimizer and the keys of the slots that it uses."""
        given = self._given
        optimizer = self._torch.optim.RMSprop(
            params,
            lr=self.rate_at(0),
            alpha=given.rho,
            eps=given.epsilon,
            momentum=given.momentum,
            centered=given.centered,
            weight_decay=given.weight_decay or 0.0,
            foreach=False,
        )
        used = {"square_avg": True, "grad_avg": given.centered, "momentum_buffer": given.momentum > 0}
        return optimizer, [key for key, is_used in used.items() if is_used]

    def apply(self, number: int, gradients: Mapping[str, Array]) -> None:
        """Set the rate and the gradients, and call ``step``."""
        for group in self._optimizer.param_groups:
            group["lr"] = self.rate_at(number)
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


class OwnTorchSubject(TorchSubject):
    """Somebody's class that extends ``torch.optim.Optimizer``: its parameters are compared, its slots are its own."""

    remedy = "The class takes no such argument."

    def __init__(self, own: Own) -> None:
        super().__init__()
        self._own, self.name = own, own.name

    def require(self, problem: Problem) -> None:
        """Refuse what the class lacks."""
        bind(self._own.kind, problem.cell.hyperparameters, self._own.chosen)

    def _made(self, params: list[Any]) -> tuple[Any, list[str]]:
        bound = bind(self._own.kind, self._given, self._own.chosen)
        rate = bound.spelled.get("learning_rate", "")
        values = {**bound.values, **({rate: self.rate_at(0)} if rate in bound.values else {})}
        return self._own.kind(params, **values), []
