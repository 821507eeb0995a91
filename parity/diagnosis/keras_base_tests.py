"""What Keras' own tests state of what stands around every rule; a mutant in, whether they would catch it out."""

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from parity.bounds.rule import page
from parity.reference.constraints import NonNeg
from parity.reference.loss_scale import LossScale

Make = Callable[..., Any]
ACCUMULATES: Final = frozenset(
    ["adam", "sgd", "adamw", "adagrad", "rmsprop", "adadelta", "adamax", "lion", "nadam", "ftrl", "adafactor"]
)
"""The rules of test_gradient_accumulation_with_weigth_decay in keras/src/optimizers/optimizer_test.py."""


def notices_around(make: Make, rule: str) -> bool:
    """Return whether a test fails that runs alike with any rule, or with this one, or that is of this rule alone.

    Those of optimizer_test.py that state numbers do so of SGD.

    Args:
        make: makes the optimizer from Keras' arguments, in the form of a page.
        rule: what is in its place.
    """
    passes = _clips(make) and _passes_over(make) and _constrains(make)
    passes = passes and (rule not in ACCUMULATES or _accumulates(make))
    passes = passes and (rule not in OWN or OWN[rule](make))
    return not passes


def notices_scale(scale: type[LossScale]) -> bool:
    """Return whether keras/src/optimizers/loss_scale_optimizer_test.py fails with another page in its place."""
    gradient, start = _float32(1, 6, 7, 2), {"w": _float32(1, 2, 3, 4)}

    def after(gradient: Any, steps: int = 1, inner: dict[str, Any] | None = None, **given: Any) -> tuple[Any, Any]:
        made, params = scale(page("sgd")(learning_rate=0.5, **(inner or {})), **given), start
        state = made.init(params)
        for _ in range(steps):
            params, state = made.step(params, {"w": gradient}, state)
        return params["w"], {slot: float(state[slot]["w"]) for slot in ("loss_scale", "updates")}

    infinite, wanted = np.full(4, np.inf, np.float32), (0.5, -1.0, -0.5, 3.0)
    with np.errstate(all="ignore"):
        return not (
            _near(after(gradient * np.float32(2.0**15))[0], wanted)
            and _near(after(gradient * np.float32(2.0**15), inner={"loss_scale_factor": 100.0})[0], wanted)
            and _near(after(infinite)[0], start["w"])
            and after(infinite, 4, initial_scale=400.0)[1]["loss_scale"] == 25.0
            and after(gradient, 8, initial_scale=2.0, dynamic_growth_steps=2)[1]["loss_scale"] == 32.0
            and all(after(gradient, steps)[1]["updates"] == steps for steps in (1, 2, 3))
        )


def _clips(make: Make) -> bool:
    """Return whether test_clip_norm and test_clip_value of each file pass."""
    clipped = [
        make(**given)._clipped({"w": _float32(100, 100)})["w"] for given in ({"clipnorm": 1.0}, {"clipvalue": 1.0})
    ]
    return _near(clipped[0], (2**0.5 / 2,) * 2, 1e-6) and _near(clipped[1], (1.0, 1.0), 1e-6)


def _passes_over(make: Make) -> bool:
    """Return whether a tensor without a gradient stays (test_empty_gradients)."""
    made, params = make(learning_rate=1.0), {n: _float32(3, 4, 5, 6).reshape(2, 2) for n in ("v", "v2")}
    after, _ = made.step(params, {"v": None, "v2": np.ones((2, 2), np.float32)}, made.init(params))
    return _near(after["v"], params["v"], 1e-6)


def _constrains(make: Make) -> bool:
    """Return whether weights below zero become zero (test_constraints_are_applied)."""
    made, params = make(learning_rate=0.0001), {"v": _float32(-0.25, -0.5, -0.75, -1).reshape(2, 2)}
    made.constraints = {"v": NonNeg()}
    after, _ = made.step(params, {"v": np.zeros((2, 2), np.float32)}, made.init(params))
    return bool(abs(np.min(after["v"])) < 1e-7)


def _accumulates(make: Make) -> bool:
    """Return whether three gradients that are accumulated do what their mean does."""
    rng, given = np.random.default_rng(0), {"weight_decay": 0.05}
    made = [make(**given), make(**given, gradient_accumulation_steps=3)]
    params = [{"v": _float32(0.9, 0.5).reshape(2, 1)} for _ in made]
    states = [each.init(weights) for each, weights in zip(made, params, strict=True)]
    for _ in range(8):
        several = rng.random((3, 2, 1)).astype(np.float32)
        params[0], states[0] = made[0].step(params[0], {"v": several.mean(axis=0)}, states[0])
        for gradient in several:
            params[1], states[1] = made[1].step(params[1], {"v": gradient}, states[1])
    return _near(params[0]["v"], params[1]["v"], 1e-6)


def _sgd(make: Make) -> bool:
    """Return whether what optimizer_test.py states of SGD is so: its average, its scale and its accumulation."""
    start, ones = _float32(1, 2, 3, 4), np.ones(4, np.float32)
    averaged = _run(
        make(learning_rate=1.0, use_ema=True, ema_momentum=0.9, ema_overwrite_frequency=3), start + 2, ones, 3
    )
    scaled = _run(make(learning_rate=1.0, loss_scale_factor=1024.0), start, start * np.float32(1024), 1)
    summed = _run(make(learning_rate=1.0, gradient_accumulation_steps=3), start, ones, 4)
    limited = make(global_clipnorm=1.0)._clipped({"w": _float32(50, 100)})["w"]
    averages = [start + 1, start + np.float32(0.9), start + np.float32(0.71)]
    return (
        all(_near(state["average"]["w"], wanted, 1e-6) for (_, state), wanted in zip(averaged, averages, strict=True))
        and all(_near(w, start + by, 1e-6) for (w, _), by in zip(averaged, (1, 0, 0.71), strict=True))
        and _near(scaled[0][0], np.zeros(4), 1e-6)
        and all(_near(w, start - by, 1e-6) for (w, _), by in zip(summed, (0, 0, 1, 1), strict=True))
        and _near(limited, _float32(50, 100) / np.linalg.norm(_float32(50, 100)), 1e-6)
        and _near(_run(make(learning_rate=lambda step: 0.1), start, ones, 1)[0][0], start - np.float32(0.1), 1e-6)
    )


def _adam(make: Make) -> bool:
    """Return whether averages are those of adam_test.py (test_ema, test_ema_overwrite_frequency)."""
    w, g = _float32(1, 2), _float32(0.1, 0.2)
    (first, _), (second, _) = _run(make(learning_rate=1.0), w, g, 2)
    mean = 0.9 * first + 0.1 * second
    kept = _run(make(learning_rate=1.0, use_ema=True, ema_momentum=0.9), w, g, 2)
    written = _run(make(learning_rate=1.0, use_ema=True, ema_momentum=0.9, ema_overwrite_frequency=2), w, g, 2)
    return (
        _near(kept[0][1]["average"]["w"], kept[0][0], 1e-6)
        and _near(kept[1][1]["average"]["w"], 0.9 * kept[0][0] + 0.1 * kept[1][0], 1e-6)
        and _near(written[0][0], first, 1e-6)
        and _near(written[1][0], mean, 1e-6)
        and _near(written[1][1]["average"]["w"], mean, 1e-6)
    )


def _schedule_free(make: Make) -> bool:
    """Return what schedule_free_adamw_test.py states, which is which way and how far at least, and of the excluded."""
    w, up = _float32(1, 2, 3), np.ones(3, np.float32)
    moved = _run(make(learning_rate=0.5), _float32(1, 2, 3, 4), _float32(1, 6, 7, 2), 1)[0][0]
    cold, warm = (np.abs(_run(make(learning_rate=0.5, warmup_steps=n), w, up, 1)[0][0] - w) for n in (0, 10))
    made = make(learning_rate=1.0, weight_decay=0.004, exclude_from_weight_decay=["exclude"])
    params = {"v": np.full((), 2, np.float32), "exclude": np.full((), 2, np.float32)}
    after, _ = made.step(params, {name: np.zeros((), np.float32) for name in params}, made.init(params))
    return bool(
        not _near(moved, (1, 2, 3, 4))
        and np.all(warm < cold)
        and np.all(_run(make(learning_rate=0.01), w, up * np.float32(0.1), 10)[-1][0] < w)
        and abs(after["exclude"] - 2) < 1.5e-6
    )


OWN: Final[dict[str, Callable[[Make], bool]]] = {"sgd": _sgd, "adam": _adam, "schedule_free_adamw": _schedule_free}


def _run(made: Any, w: Any, gradient: Any, steps: int) -> list[tuple[Any, Any]]:
    """Return the weights and the state after each of some steps with one gradient."""
    params, found = {"w": w}, []
    state = made.init(params)
    for _ in range(steps):
        params, state = made.step(params, {"w": gradient}, state)
        found.append((params["w"], state))
    return found


def _float32(*numbers: float) -> Any:
    return np.array(numbers, dtype=np.float32)


def _near(obtained: Any, wanted: Any, tolerance: float = 1e-4) -> bool:
    return bool(np.allclose(obtained, wanted, rtol=tolerance, atol=tolerance))  # as they compare
