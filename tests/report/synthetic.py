"""Runs as the runner would make them, without running anything: all verdicts, curves, and hostile names."""

from typing import Any

import numpy as np

from parity.verdicts.results import BranchFlip, Catch, Comparison, Divergence, Pair, Run, Worst

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"
CONTROL = "bell \x07 escape \x1b[31mred\x1b[0m nul \x00 \u202egnirts lone \udc80 | pipe ` tick ]]> & \"quote\" 'single'"
FOLDERS = {
    "arguments": ["epsilon", "rho", "momentum", "centered", "weight_decay", "clipnorm", "use_ema", "loss_scale"],
    "gradients": ["log_spaced", "sign_flips", "zeros", "constant"],
    "schedules": ["exponential", "piecewise", "cosine", "polynomial"],
    "mnist": ["shared", "computed"],
}
SUMMARIES = {
    "epsilon": "Gradients so small that the place of epsilon decides the step",
    "rho": "How long the second moment remembers",
    "momentum": "The accumulator, with a learning rate that changes",
    "centered": "The mean of the gradients is subtracted from the second moment",
    "computed": "The whole program: forward, loss, backward and update, image by image",
}
SLOTS = ("parameter", "second_moment", "momentum_buffer")


def table(
    rng: np.random.Generator, steps: int, slots: tuple[str, ...], tensors: int, level: float, jump: int | None = None
) -> dict[str, Any]:
    """Return a step table whose ratios are about ``level`` and leave the bound at step ``jump``."""
    count = len(slots) * tensors
    rows = steps * count
    step = np.repeat(np.arange(steps), count)
    ratio = np.clip(level * rng.lognormal(0, 0.5, rows), 0, 0.999)
    ratio[rng.random(rows) < 0.1] = 0.0
    if jump is not None:
        late = step >= jump
        ratio[late] = 10 ** (1 + 2.5 * np.log10(step[late] - jump + 2.0)) * rng.lognormal(0, 0.3, int(late.sum()))
    bound = 10 ** rng.normal(-9, 0.4, rows)
    return {
        "step": step,
        "slot": np.tile(np.repeat(np.array(slots), tensors), steps),
        "tensor": np.tile(np.array([f"dense_{i}/kernel" for i in range(tensors)]), len(slots) * steps),
        "size": np.full(rows, 512),
        "differing": np.where(ratio > 0, 20, 0),
        "max_abs": ratio * bound,
        "max_rel": ratio * 1e-7,
        "max_ulp": np.ceil(ratio * 3),
        "signed_mean": rng.normal(0, 1e-12, rows),
        "in_steps": ratio * 1e-6,
        "ratio": ratio,
        "bound": bound,
        "index": np.where(ratio > 0, rng.integers(0, 512, rows), -1),
        "obtained": rng.normal(size=rows),
        "expected": rng.normal(size=rows),
    }


def worst(ratio: float | str, step: int = 12) -> Worst:
    """Return the difference nearest its bound."""
    return Worst(
        step, "parameter", "dense_0/kernel", [4, 17], 0.0123456784, 0.0123456793, 1e-9, 9e-10, ratio, 1.0, 3e-7
    )


def divergence(step: int, stage: str, obtained: float | str = 0.99683774) -> Divergence:
    """Return a first divergence; the slot is where the stage would be seen."""
    slot = stage if stage in SLOTS else "parameter"
    return Divergence(step, slot, "dense_0/kernel", [4, 17], obtained, 0.99689214, 1.3e-10, stage, 0.996892143301)


def catch(mode: str) -> dict[str, Catch]:
    """Return what the bounds of a comparison would catch: most of the moments, little of the parameters."""
    found = {"parameter": Catch(2048, 1500, 40, 300, 20), "second_moment": Catch(2048, 2048, 0, 2047, 1990)}
    return found if mode == "lockstep" else {}


def identical(case: str, subject: str, mode: str, **more: Any) -> Comparison:
    """Return a comparison in which every bit is equal."""
    return Comparison(
        case, subject, "replayed", mode, "IDENTICAL", "", compared=204_800, digest="af31", catch=catch(mode), **more
    )


def rounding(case: str, subject: str, mode: str, rng: np.random.Generator, steps: int) -> Comparison:
    """Return a comparison inside its bound, with curves."""
    note = "Grappler's arithmetic_optimization rewrites the division by a root; with that pass off, every bit is equal."
    envelope = None
    if mode == "free":
        limit = 1e-9 * np.sqrt(np.arange(1.0, steps + 1))
        envelope = {"drift": (limit * rng.uniform(0.05, 0.8, steps)).tolist(), "envelope": limit.tolist()}
    return Comparison(
        case,
        subject,
        "replayed",
        mode,
        "ROUNDING",
        "the worst difference is 0.93 of its bound",
        worst=worst(0.93),
        compared=204_800,
        differing=4_012,
        notes=[note],
        envelope=envelope,
        table=table(rng, steps, SLOTS, 2, 0.2),
        catch=catch(mode),
    )


def diverged(case: str, subject: str, mode: str, rng: np.random.Generator, steps: int, stage: str) -> Comparison:
    """Return a comparison that leaves its bound at step 3."""
    return Comparison(
        case,
        subject,
        "replayed",
        mode,
        "DIVERGED",
        "1,204 of 204,800 values lie outside",
        divergence(3, stage),
        worst(418_215.2, 190),
        compared=204_800,
        differing=150_000,
        table=table(rng, steps, SLOTS, 2, 0.05, jump=3),
        envelope=None
        if mode == "lockstep"
        else {
            "drift": [1e-9 * 1.05**i for i in range(steps)],
            "envelope": [3e-9 * (i + 1) ** 0.5 for i in range(steps)],
        },
    )


def network(case: str, subject: str, rng: np.random.Generator, steps: int) -> Comparison:
    """Return a free run of a real model, with the losses of both sides and a branch flip."""
    loss = 2.3 * np.exp(-np.arange(steps) / (steps / 3)) * rng.lognormal(0, 0.4, steps)
    other = loss * (1 + 1e-3 * rng.normal(size=steps) * (np.arange(steps) > steps // 2))
    flip = BranchFlip(417, 0, 233, 417, 3.1e-9, -1.2e-9, 8.8e-9)
    limit = 1e-8 * 1.004 ** np.arange(steps)
    return Comparison(
        case,
        subject,
        "computed",
        "free",
        "ROUNDING",
        "the drift stays inside the envelope",
        worst=worst(0.41),
        compared=407_050_000,
        differing=11_000_000,
        notes=["The drift grows after a branch flip in layer 0, unit 233."],
        flips=[flip],
        losses={"obtained": loss.tolist(), "expected": other.tolist()},
        envelope={"drift": (limit * rng.uniform(0.1, 0.6, steps)).tolist(), "envelope": limit.tolist()},
        table=table(rng, steps, SLOTS[:2], 4, 0.1),
    )


def bare(case: str, subject: str, verdict: str, reason: str, **more: Any) -> list[Comparison]:
    """Return both comparisons of a pair in which nothing, or not everything, was judged."""
    return [Comparison(case, subject, "replayed", mode, verdict, reason, **more) for mode in ("lockstep", "free")]


def cell(identity: str, folder: str, name: str, dtype: str, steps: int) -> dict[str, Any]:
    """Return a case cell as the runner stores it."""
    hyper: dict[str, Any] = {"learning_rate": 0.01, "rho": 0.9}
    hyper.update({"momentum": 0.9} if name == "momentum" else {"centered": True} if name == "centered" else {})
    problem = {"kind": "mlp"} if folder == "mnist" else {"kind": "replayed", "generator": "log_spaced", "low": 1e-7}
    source = name if folder == "mnist" else "replayed"
    return {
        "id": identity,
        "case": f"{folder}/{name}",
        "summary": SUMMARIES.get(name, f"One probe of {name}"),
        "dtype": dtype,
        "steps": steps,
        "probes": ["epsilon_place", "rho"],
        "problem": problem,
        "hyperparameters": hyper,
        "gradients": source,
        "folder": "/secret/place",
    }


CIRCUMSTANCES: dict[str, Any] = {
    "commit": "6933bf7c2a11",
    "python": "3.11.7",
    "platform": "Linux x86_64",
    "cpu": "AMD EPYC 7B13, 2 cores",
    "device": "CPU",
    "endianness": "little",
    "deterministic_ops": True,
    "versions": {"numpy": "2.4.6", "tensorflow": "2.21.0", "keras": "3.15.1", "torch": None, "optax": None},
    "threads": {"intra_op": 1, "inter_op": 1, "OMP_NUM_THREADS": "1"},
    "numerics": {"jit_compile": "only keras-xla", "oneDNN": "off", "denormals": "kept"},
}


def cells(steps: int, dtypes: tuple[str, ...] = ("float32", "float64", "float16", "bfloat16")) -> list[dict[str, Any]]:
    """Return the cells of all folders; a network has one dtype and a thousand steps."""
    found = []
    for folder, names in FOLDERS.items():
        for name in names:
            for dtype in dtypes[: 1 if folder == "mnist" else None]:
                length = 1000 if folder == "mnist" else steps
                found.append(cell(f"{folder}/{name}[{dtype}]", folder, name, dtype, length))
    return found


def comparisons(known: dict[str, Any], subject: str, rng: np.random.Generator) -> list[Comparison]:
    """Decide what a subject does in a case: eager is identical, graph and XLA round, the others show the rest."""
    case, steps = known["id"], known["steps"]
    modes = ("lockstep", "free")
    if known["gradients"] == "computed":
        return [network(case, subject, rng, steps)]
    if subject == "mine.py:RMSprop":
        return _wrong(known, subject, rng)
    if subject == "torch":
        return bare(case, subject, "NOT_INSTALLED", "torch is not installed: pip install torch")
    if "clipnorm" in case or subject in ("keras-graph", "keras-xla"):
        return [rounding(case, subject, mode, rng, steps) for mode in modes]
    return [identical(case, subject, mode) for mode in modes]


def _wrong(known: dict[str, Any], subject: str, rng: np.random.Generator) -> list[Comparison]:
    case = known["id"]
    special = {
        "centered": ("UNSUPPORTED", "the constructor has no parameter 'centered', which the case sets"),
        "use_ema": ("FAILED", "step 0: ZeroDivisionError: float division by zero (mine.py, line 31)"),
        "zeros": ("NON_FINITE", "the subject is NaN where the reference is 0"),
        "weight_decay": ("KNOWN_DIVERGENCE", "weight decay is coupled by design, see https://arxiv.org/abs/1711.05101"),
        "cosine": ("NOT_COMPARABLE", "tensor 'dense_0/kernel' has shape [4], expected [4, 8]"),
        "polynomial": ("FIXED", "listed as a known divergence, but every bit is equal"),
        "constant": ("UNDECIDED", "the bound is infinite at step 7 of second_moment"),
    }
    name = known["case"].rpartition("/")[2]
    if name in special:
        verdict, reason = special[name]
        nan = divergence(0, "step", "NaN") if verdict == "NON_FINITE" else None
        return bare(case, subject, verdict, reason, first_divergence=nan)
    if name in ("log_spaced", "exponential"):
        return [identical(case, subject, "lockstep"), rounding(case, subject, "free", rng, known["steps"])]
    stage = "momentum_buffer" if name == "momentum" else "denominator"
    return [diverged(case, subject, mode, rng, known["steps"], stage) for mode in ("lockstep", "free")]


def run(steps: int = 200, subjects: tuple[str, ...] = (), hostile: bool = False, seed: int = 0) -> Run:
    """Return a run of about 70 cells with every verdict in it; ``hostile`` adds names that try to break out."""
    rng = np.random.default_rng(seed)
    names = subjects or ("keras-eager", "keras-graph", "keras-xla", "mine.py:RMSprop", "torch")
    known = cells(steps)
    if hostile:
        known.append(cell(f"odd/{HOSTILE}", "odd", "x", "float32", steps) | {"summary": CONTROL})
    pairs = [
        Pair(
            one["id"],
            one["summary"],
            subject,
            f"package.{subject}.RMSprop",
            comparisons(one, subject, rng),
            {
                "class": f"keras.src.optimizers.rmsprop.RMSprop ({subject})",
                "learning_rate dtype": "float32",
                "jit_compile": subject == "keras-xla",
            },
            0.12,
            "a line that the subject printed" if subject == "mine.py:RMSprop" else "",
        )
        for one in known
        for subject in names
    ]
    if hostile:
        pairs.append(_hostile_pair())
    return Run(pairs, CIRCUMSTANCES, "2026-01-02T03:04:05", 83.25, known)


def _hostile_pair() -> Pair:
    case, subject = f"odd/{HOSTILE}", f"{HOSTILE}{CONTROL}"
    place = Divergence(0, HOSTILE, CONTROL, [0], HOSTILE, CONTROL, "Infinity", HOSTILE, note=HOSTILE)
    item = Comparison(
        case, subject, "replayed", "free", "DIVERGED", CONTROL, place, worst("NaN"), notes=[HOSTILE, CONTROL]
    )
    return Pair(case, CONTROL, subject, HOSTILE, [item], {HOSTILE: CONTROL, "nan": float("nan")}, 0.1, CONTROL)


def agreeing(steps: int = 50) -> Run:
    """Return a run in which everything agrees."""
    return run(steps, ("keras-eager", "keras-graph", "keras-xla"))


def large() -> Run:
    """Return 90 cells by 5 subjects by 2 comparisons of 1,000 steps, none of them identical."""
    rng = np.random.default_rng(1)
    known = [cell(f"large/case_{i}[float32,epsilon=1e-07]", "large", "epsilon", "float32", 1000) for i in range(90)]
    tables = [rounding("", "", mode, rng, 1000) for mode in ("lockstep", "free") for _ in range(5)]
    pairs = []
    for number, one in enumerate(known):
        for subject in ("keras-eager", "keras-graph", "keras-xla", "keras-fit", "mine.py:RMSprop"):
            chosen = [tables[number % 5], tables[5 + number % 5]]
            items = [_copy(item, one["id"], subject) for item in chosen]
            pairs.append(
                Pair(one["id"], one["summary"], subject, "keras.optimizers.RMSprop", items, {"dtype": "float32"}, 1.0)
            )
    return Run(pairs, CIRCUMSTANCES, "2026-01-02T03:04:05", 1.0, known)


def _copy(item: Comparison, case: str, subject: str) -> Comparison:
    losses = {"obtained": [1 / (i + 1) for i in range(1000)], "expected": [1 / (i + 1.0001) for i in range(1000)]}
    return Comparison(
        case,
        subject,
        item.gradients,
        item.comparison,
        "ROUNDING",
        item.reason,
        None,
        item.worst,
        item.compared,
        item.differing,
        "",
        item.notes,
        [],
        item.table,
        losses,
        item.envelope,
        catch=item.catch,
    )
