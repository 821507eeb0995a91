"""Arguments of the page, and weights and gradients to try them on."""

from typing import Any

import ml_dtypes
import numpy as np

DTYPES = {"float64": np.float64, "float32": np.float32, "float16": np.float16, "bfloat16": ml_dtypes.bfloat16}
EVERYTHING = {
    "momentum": 0.9,
    "centered": True,
    "weight_decay": 0.01,
    "clipvalue": 0.7,
    "use_ema": True,
    "ema_momentum": 0.83,
    "ema_overwrite_frequency": 5,
    "loss_scale_factor": 1000.0,
    "gradient_accumulation_steps": 4,
    "exclude_from_weight_decay": ("bias",),
}
ARGUMENTS: list[dict[str, Any]] = [
    {},
    {"learning_rate": 0.0123, "rho": 0.97, "epsilon": 1e-5},
    {"momentum": 0.9},
    {"centered": True},
    {"momentum": 0.7, "centered": True},
    {"weight_decay": 0.004},
    {"weight_decay": 0.004, "exclude_from_weight_decay": ("bias",)},
    {"clipvalue": 0.3},
    {"use_ema": True},
    {"use_ema": True, "ema_momentum": 0.7, "ema_overwrite_frequency": 4},
    {"loss_scale_factor": 3.7},
    {"gradient_accumulation_steps": 3},
    {
        "gradient_accumulation_steps": 3,
        "use_ema": True,
        "ema_momentum": 0.9,
        "ema_overwrite_frequency": 2,
        "weight_decay": 0.1,
    },
    EVERYTHING,
]
CLIPS: list[dict[str, Any]] = [
    {"clipnorm": 0.1},
    {"clipnorm": 100.0},
    {"global_clipnorm": 0.1},
    {"global_clipnorm": 100.0},
    {**EVERYTHING, "clipvalue": None, "clipnorm": 0.05},
]
REFUSED: list[dict[str, Any]] = [
    {"learning_rate": 1},
    {"learning_rate": "fast"},
    {"gradient_accumulation_steps": 1},
    {"clipnorm": 1.0, "clipvalue": 1.0},
    {"use_ema": True, "ema_momentum": 1.5},
    {"use_ema": True, "ema_overwrite_frequency": 2.5},
    {"use_ema": True, "ema_overwrite_frequency": -1},
]


def name_of(arguments: dict[str, Any]) -> str:
    return ",".join(f"{key}={value}" for key, value in arguments.items()) or "defaults"


def problem(dtype: Any, steps: int, shapes: dict[str, tuple[int, ...]]) -> tuple[dict, list[dict]]:
    """Weights, and gradients with magnitudes 1e-7 … 10, sign flips, zeros and a constant."""
    rng = np.random.default_rng(7)
    params = {name: rng.normal(size=shape).astype(dtype) for name, shape in shapes.items()}
    sequence = []
    for step in range(steps):
        grads = {}
        for name, shape in shapes.items():
            g = np.logspace(-7, 1, int(np.prod(shape))) * rng.choice([-1.0, 1.0], int(np.prod(shape)))
            g = g * rng.random(g.shape) if step % 3 == 0 else g
            g[0], g[-2] = 0.0, 0.5
            grads[name] = g.reshape(shape).astype(dtype)
        sequence.append(grads)
    return params, sequence


def scalar(value: float, dtype: Any = np.float64) -> dict[str, Any]:
    return {"w": np.array([value], dtype=dtype)}
