"""optax.rmsprop, called without ``jit``, one operation at a time.

Departs from tf.keras in rounding only, if epsilon and decay are passed: the gradient is multiplied by ``rsqrt`` of the
second moment, and by the learning rate after that. Its default epsilon is 1e-8; ``eps_in_sqrt=False`` gives torch's
place and ``initial_scale=1.0`` TF1's start, ``nesterov`` and ``bias_correction`` are off unless asked for. The trace
holds the momentum buffer with the opposite sign. Weight decay and clipping are transforms of their own, and where one
chains them is the user's choice. Source: optax/_src/alias.py, optax/_src/transform.py.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from parity.bounds.numerics import Array
from parity.problem.problems import Problem
from parity.subjects.adapter import Tensors
from parity.subjects.library import LibrarySubject


class OptaxSubject(LibrarySubject):
    """``optax.rmsprop`` and ``optax.apply_updates``; a schedule goes in as optax takes it, a callable of the count."""

    name = "optax.rmsprop"
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
        given, rate = self._given, self._rate
        arguments = {"decay": given.rho, "eps": given.epsilon, "centered": given.centered}
        self._jax, self._optax = jax, optax
        self._transform = optax.rmsprop(
            (lambda count: rate(int(count))) if callable(rate) else rate, momentum=given.momentum or None, **arguments
        )
        self._params = {name: jax.numpy.asarray(array) for name, array in problem.params.items()}
        self._state = self._transform.init(self._params)
        shown = {**arguments, "momentum": given.momentum or None}
        self.resolved = f"optax.rmsprop({', '.join(f'{k}={v!r}' for k, v in shown.items())})"
        self.circumstances = {
            "jax": jax.__version__,
            "optax": optax.__version__,
            "x64": bool(config.jax_enable_x64),
            "device": jax.devices()[0].platform.upper(),
        }

    def apply(self, number: int, gradients: Mapping[str, Array]) -> None:
        """Transform the gradients and add the updates."""
        grads = {name: self._jax.numpy.asarray(gradients[name]) for name in self._params}
        updates, self._state = self._transform.update(grads, self._state, self._params)
        self._params = self._optax.apply_updates(self._params, updates)

    def read(self) -> dict[str, Tensors]:
        """Return parameters and slots; the trace with its sign turned."""
        moments, _, traced = self._state
        found: dict[str, Tensors] = {"parameter": _arrays(self._params), "second_moment": _arrays(moments.nu)}
        if self._given.centered:
            found["first_moment"] = _arrays(moments.mu)
        if self._given.momentum:
            found["momentum_buffer"] = {name: -array for name, array in _arrays(traced.trace).items()}
        return found


def _arrays(tensors: Mapping[str, Any]) -> dict[str, Array]:
    return {name: np.array(tensor) for name, tensor in tensors.items()}
