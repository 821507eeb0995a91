"""Runs a command as other processors would compute it: ``python tests/paths.py [PATH…] -- make test``.

Without a path, on each of them in turn. What is asserted holds on all; see CONTRIBUTING.md, "Another processor".
"""

import os
import subprocess
import sys

HARDLY_WIDER_THAN_SSE = "-AVX,-AVX2,-AVX512F,-FMA,-FMA4,-AVX2_Usable,-AVX512F_Usable,-FMA_Usable,-FMA4_Usable"
PATHS = {
    "numpy": {"NPY_DISABLE_CPU_FEATURES": "{numpy}"},
    "blas": {"OPENBLAS_CORETYPE": "Nehalem"},
    "onednn": {"TF_ENABLE_ONEDNN_OPTS": "0"},
    "xla": {"XLA_FLAGS": "--xla_cpu_max_isa=AVX2"},
    "libm": {"GLIBC_TUNABLES": f"glibc.cpu.hwcaps={HARDLY_WIDER_THAN_SSE}"},
}
PATHS["narrow"] = {name: value for path in PATHS.values() for name, value in path.items()}
"""All of them at once."""


def numpy_features() -> str:
    """Return the features of this processor by which NumPy chooses kernels, as it wants to be told to do without."""
    from numpy._core import _multiarray_umath as core

    return " ".join(name for name in core.__cpu_dispatch__ if core.__cpu_features__[name])


def environment(path: str) -> dict[str, str]:
    """Return the variables that force a path."""
    return {name: value.format(numpy=numpy_features()) for name, value in PATHS[path].items()}


def main(words: list[str]) -> int:
    """Run the command on each path; return 1 if it failed on any, 2 for a mistake in the call."""
    if "--" not in words or words[-1] == "--" or any(word not in PATHS for word in words[: words.index("--")]):
        print(f"{__doc__}\nReceived: {' '.join(words) or 'nothing'}. Paths: {', '.join(PATHS)}.", file=sys.stderr)
        return 2
    cut = words.index("--")
    status = {}
    for path in words[:cut] or PATHS:
        print(f"--- {path}: " + " ".join(f"{k}={v!r}" for k, v in environment(path).items()), flush=True)
        status[path] = subprocess.run(words[cut + 1 :], env={**os.environ, **environment(path)}).returncode
    print("\n".join(f"{path:8} {'passed' if code == 0 else f'status {code}'}" for path, code in status.items()))
    return int(any(status.values()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
