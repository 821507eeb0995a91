"""The circumstances of a run: versions, machine and modes that change numbers, without the name of a host or user."""

import json
import os
import platform
import re
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from parity import __version__
from parity.circumstances import launch
from parity.circumstances.promises import ESTIMATES

PACKAGES: Final = ("numpy", "ml_dtypes", "msgspec", "pandas", "pyarrow", "tensorflow", "keras", "tf_keras", "torch",
                   "optax", "jax")  # fmt: skip
ENVIRONMENT: Final[dict[str, str]] = {
    "KERAS_BACKEND": "the library under Keras; this project compares its TensorFlow backend",
    "TF_ENABLE_ONEDNN_OPTS": "1 lets oneDNN reorder sums",
    "TF_DETERMINISTIC_OPS": "1 asks for the same sum order at each run",
    "TF_XLA_FLAGS": "may compile graphs by XLA without being asked",
    "XLA_FLAGS": "may turn on fast, inexact arithmetic",
    "NVIDIA_TF32_OVERRIDE": "0 forbids products of 10 bits on GPUs",
    "CUDA_VISIBLE_DEVICES": "which GPUs are seen",
    "OMP_NUM_THREADS": "threads that share a sum",
    "OPENBLAS_NUM_THREADS": "threads that share a product of matrices",
    "MKL_NUM_THREADS": "threads that share a product of matrices",
    "TF_NUM_INTRAOP_THREADS": "threads in one op",
    "TF_NUM_INTEROP_THREADS": "ops at the same time",
    "NPY_DISABLE_CPU_FEATURES": "kernels that NumPy does without",
    "NPY_ENABLE_CPU_FEATURES": "kernels that NumPy may use",
    "OPENBLAS_CORETYPE": "whose kernels multiply NumPy's matrices",
    "ONEDNN_MAX_CPU_ISA": "the widest kernels of oneDNN",
    "GLIBC_TUNABLES": "which variants of powers and logarithms the C library picks",
}
CODE_PATHS: Final = (
    "NPY_DISABLE_CPU_FEATURES",
    "NPY_ENABLE_CPU_FEATURES",
    "OPENBLAS_CORETYPE",
    "ONEDNN_MAX_CPU_ISA",
    "TF_ENABLE_ONEDNN_OPTS",
    "GLIBC_TUNABLES",
)
"""Variables that make a processor compute as another one would: with them it is another machine."""
WORKER_ENVIRONMENT: Final[dict[str, str]] = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    # One thread a worker: sums are added in one order whatever the number of cores, and workers do not fight for them.
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    # Keep freed arrays instead of giving their pages back at every operation (glibc; 32 MiB is its largest threshold).
    "MALLOC_MMAP_THRESHOLD_": "33554432",
    "MALLOC_TRIM_THRESHOLD_": "1073741824",
}
"""What a worker process gets unless the variable is set already."""
_FEATURES: Final = ("fma", "avx2", "avx512f", "avx512_bf16", "amx_bf16", "asimd", "sve")
_OF_THE_PROCESSOR: Final = (
    "bits of what is compiled (graph, XLA, fit), of sums over a tensor, of products of matrices, and of powers and "
    "cosines in schedules; all other bits, and whether a difference is inside its bound, are the same on any processor"
)
_TIME_LIMIT = 180

_PROBE_NUMPY = """
import json
import numpy as np
from numpy._core import _multiarray_umath as core
blas = np.show_config(mode="dicts").get("Build Dependencies", {}).get("blas", {})
tiny = np.float32(1e-30) * np.float32(1e-10)
print(json.dumps({
    "BLAS": f"{blas.get('name', 'unknown')} {blas.get('version', '')}".strip(),
    "kernels of this processor": [name for name in core.__cpu_dispatch__ if core.__cpu_features__[name]],
    "subnormals": "kept" if tiny != 0 else "flushed to zero",
}))
"""

_PROBE_TENSORFLOW = """
import json
import tensorflow as tf
import keras
tiny = tf.constant([1e-30] * 8), tf.constant([1e-10] * 8)
times = lambda a, b: a * b
word = lambda product: "kept" if float(product[0]) != 0 else "flushed to zero"
optimizer = keras.optimizers.RMSprop()
model = keras.Sequential([keras.layers.Input((1,)), keras.layers.Dense(1)])
model.compile(optimizer=optimizer, loss="mse")
passes = tf.config.optimizer.get_experimental_options()
import numpy as np
def off(compiled):
    x = np.arange(0x3F800000, 0x40800000, 3, dtype=np.uint32).view(np.float32)
    true = 1 / np.sqrt(x.astype(np.float64))
    obtained = tf.function(tf.math.rsqrt, jit_compile=compiled)(tf.constant(x)).numpy()
    return f"{float(np.max(np.abs(obtained - true) / true)) * 2**24:.2f} unit roundoffs on this processor"
print(json.dumps({
    "RMSprop": f"{type(optimizer).__module__}.{type(optimizer).__qualname__}",
    "Keras backend": keras.config.backend(),
    "floatx": keras.config.floatx(),
    "devices": [device.device_type for device in tf.config.list_physical_devices()],
    "threads": f"{tf.config.threading.get_intra_op_parallelism_threads() or 'all cores'} in one op, "
               f"{tf.config.threading.get_inter_op_parallelism_threads() or 'all cores'} for ops",
    "Grappler": f"arithmetic_optimization {'on' if passes.get('arithmetic_optimization', True) else 'off'}"
                f" (rewrites a division by a root in graph mode)",
    "model.fit": "compiled by XLA" if model.jit_compile else "not compiled by XLA (jit_compile=auto)",
    "TF32": "on (GPUs only)" if tf.config.experimental.tensor_float_32_execution_enabled() else "off",
    "reciprocal root, Eigen": f"off by at most {off(False)}",
    "reciprocal root, XLA": f"off by at most {off(True)}",
    "subnormals, eager": word(times(*tiny)),
    "subnormals, graph": word(tf.function(times)(*tiny)),
    "subnormals, XLA": word(tf.function(times, jit_compile=True)(*tiny)),
}))
"""


def circumstances() -> dict[str, Any]:
    """Return what a report opens with; imports no library, and says the same for the same commit and machine."""
    return {
        "parity": __version__,
        "commit": commit(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}, {_distribution()}",
        "cpu": cpu(),
        "cores": launch.cores(),
        "packages": {name: found for name in PACKAGES if (found := _version(name)) is not None},
        "environment": environment(),
        "processor": of_the_processor(),
    }


def of_the_processor() -> dict[str, str]:
    """Return the facts of a report that belong to this processor, and what follows from its maker's promises."""
    features = cpu().split()
    offered = [e for e in ESTIMATES if e.root and e.dtype == "float32" and (not e.feature or e.feature in features)]
    arm = "asimd" in features
    estimates = [e for e in offered if (e.feature == "asimd") is arm]
    unit = 2.0**-24  # float32's unit roundoff
    promised = "; ".join(f"{e.instruction}: within {e.roundings(unit):.2f} unit roundoffs" for e in estimates)
    largest = max(e.roundings(unit) for e in ESTIMATES if e.root and e.dtype == "float32")
    return {
        "reciprocal root": f"{promised} (promised, and refined by steps); the bound allows {largest:.2f} everywhere",
        "its own": _OF_THE_PROCESSOR,
    }


def examine() -> dict[str, Any]:
    """Return the circumstances by sections, and what NumPy and TensorFlow say of themselves."""
    found = circumstances()
    packages = {name: _version(name) for name in PACKAGES}
    environment = {
        name: f"{value}  ({ENVIRONMENT[name]})" if name in ENVIRONMENT else value
        for name, value in found["environment"].items()
    }
    sections = {
        "machine": {key: found[key] for key in ("system", "cpu", "cores", "python")},
        "packages": {"parity": found["parity"], "commit": found["commit"] or "unknown", **packages},
        "environment": environment,
        "processor": found["processor"],
        "numpy": _ask(_PROBE_NUMPY),
    }
    if packages["tensorflow"] is None:
        return {**sections, "tensorflow": {"state": "not installed: pip install 'optimizer-parity[tensorflow]'"}}
    return {**sections, "tensorflow": _ask(_PROBE_TENSORFLOW)}


def environment() -> dict[str, str]:
    """Return the variables that may change numbers, as the workers get them, without any path in them."""
    given = {**WORKER_ENVIRONMENT, **os.environ}
    return {name: re.sub(r"[^\s=:,]*[/\\][^\s,]*", "<path>", given[name]) for name in ENVIRONMENT if name in given}


@cache
def commit() -> str | None:
    """Return the commit of the checkout that this runs from, with ``-dirty`` if files differ; None elsewhere."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists() or not (root / "pyproject.toml").exists():
        return None
    words = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None


@cache
def cpu() -> str:
    """Return the processor's name, its model, and those of its features that decide about contraction and vector width.

    The model stands there because virtual machines shorten the name, and libraries choose their kernels by it.
    """
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    name = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    flags = re.search(r"^(?:flags|Features)\s*:\s*(.+)$", text, re.MULTILINE)
    model = [found[1] for key in ("cpu family", "model", "CPU part") if (found := _field(key, text))]
    features = [flag for flag in _FEATURES if flags and flag in flags[1].split()]
    kind = [f"({'/'.join(model)})"] if model else []
    return " ".join([name[1] if name else platform.processor() or platform.machine(), *kind, *features])


def _field(key: str, text: str) -> re.Match[str] | None:
    return re.search(rf"^{key}\s*:\s*(\S+)$", text, re.MULTILINE)


def _distribution() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return platform.release()


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _ask(program: str) -> dict[str, Any]:
    """Run a program that prints one line of JSON; nothing that it writes reaches the terminal."""
    try:
        done = subprocess.run(
            launch.program(program),
            capture_output=True,
            text=True,
            timeout=_TIME_LIMIT,
            stdin=subprocess.DEVNULL,
            env={**WORKER_ENVIRONMENT, **os.environ},
        )
        answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    except subprocess.TimeoutExpired:
        return {"state": f"no answer within {_TIME_LIMIT} seconds"}
    except (IndexError, ValueError):
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        return {"state": f"installed, but it fails with status {done.returncode}: {_without_paths(last)}"}
    return answer


def _without_paths(text: str) -> str:
    return re.sub(r"(?:/[^\s'\":]+)+", "<path>", text)
