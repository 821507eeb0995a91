"""The examples in C and JavaScript: right optimizers pass, wrong ones fail, and the set tells what they are like."""

import shutil
import subprocess
from pathlib import Path

import pytest

COMPILER = next((name for name in ("cc", "gcc", "clang") if shutil.which(name)), "")
needs_compiler = pytest.mark.skipif(not COMPILER, reason="no C compiler on this machine")
needs_node = pytest.mark.skipif(not shutil.which("node"), reason="no Node.js on this machine")

WRONG = {
    "epsilon_place/outside": ["-DROOT(v,e)=(sqrtf(v)+(e))"],
    "second_moment_start/1.0": ["-DSECOND_MOMENT_START=1.0f"],
    "learning_rate_place/outside": ["-DRATE_INSIDE=1.0f", "-DRATE_OUTSIDE=rate"],
    "rho_role/new": ["-DKEEP=rule->one_minus_rho", "-DRENEW=rule->rho"],
    "denominator_power/1.0": ["-DROOT(v,e)=((v)+(e))"],
}


def built(folder: Path, program: Path, *switches: str) -> Path:
    """Compile as the file's own comment says, every warning an error; macros stay unused where others replace them."""
    strict = ["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-O2"]
    done = subprocess.run(
        [COMPILER, *strict, *switches, "-o", str(program), str(folder / "example.c"), "-lm"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return program


def ran(*words: str | Path) -> tuple[int, str]:
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout + done.stderr


def failing_flags(output: str) -> set[str]:
    marks = [line.partition("it exists to catch ")[2] for line in output.splitlines() if line.startswith("FAIL")]
    return {flag for mark in marks for flag in mark.split(",")}


@needs_compiler
@pytest.mark.parametrize("switches", [[], ["-O0"], ["-O3", "-ffp-contract=fast"]], ids=str)
def test_a_right_optimizer_in_c_passes_every_vector_that_it_can_run(
    conformance: Path, tmp_path: Path, switches: list[str]
) -> None:
    status, output = ran(built(conformance, tmp_path / "right", *switches), conformance)
    assert status == 0, output
    assert "FAIL" not in output
    assert "PASS rmsprop/plain[float32]" in output
    assert "SKIP rmsprop/plain[float64]: needs float64" in output
    assert "SKIP rmsprop/weight_decay_excluded: needs weight_decay" in output
    assert "SKIP adam/amsgrad[float32]: needs adam" in output


@needs_compiler
@pytest.mark.parametrize("mistake", WRONG)
def test_a_wrong_optimizer_in_c_fails_and_the_set_tells_what_it_is_like(
    conformance: Path, tmp_path: Path, mistake: str
) -> None:
    status, output = ran(built(conformance, tmp_path / "wrong", *WRONG[mistake]), conformance)
    assert status == 1
    assert mistake.partition("/")[0] in failing_flags(output)
    likely = [line.split(":")[0].removeprefix("most like ") for line in output.splitlines() if "most like" in line]
    assert mistake in likely


@needs_node
def test_a_right_optimizer_in_javascript_passes_every_vector_that_it_can_run(conformance: Path) -> None:
    status, output = ran("node", conformance / "example.mjs", conformance)
    assert status == 0, output
    assert "FAIL" not in output
    assert "PASS rmsprop/weight_decay_excluded" in output
    assert "SKIP rmsprop/plain[bfloat16]: needs bfloat16" in output
    assert "SKIP nadam/plain[float32]: needs nadam" in output


@needs_node
@pytest.mark.parametrize(
    ("wrong", "mistake"),
    [
        ("epsilon_outside", "epsilon_place/outside"),
        ("ones_init", "second_moment_start/1.0"),
        ("rate_outside", "learning_rate_place/outside"),
    ],
)
def test_a_wrong_optimizer_in_javascript_fails(conformance: Path, wrong: str, mistake: str) -> None:
    status, output = ran("node", conformance / "example.mjs", conformance, wrong)
    assert status == 1
    assert mistake.partition("/")[0] in failing_flags(output)
    assert f"most like {mistake}" in output


@needs_compiler
@pytest.mark.parametrize(
    "content", [b"", b"1234567", (2**60).to_bytes(8, "little") + b"{}", (2).to_bytes(8, "little") + b"{}"], ids=len
)
def test_a_damaged_values_file_stops_the_example_with_status_2(
    conformance: Path, tmp_path: Path, content: bytes
) -> None:
    folder = tmp_path / "set"
    shutil.copytree(conformance, folder)
    first = next(folder.glob("rmsprop.plain.float32*.safetensors"))
    first.write_bytes(content)
    status, output = ran(built(folder, tmp_path / "right"), folder)
    assert status == 2
    assert "example: " in output


@needs_compiler
def test_a_folder_that_holds_no_set_is_status_2(conformance: Path, tmp_path: Path) -> None:
    program = built(conformance, tmp_path / "right")
    assert ran(program, tmp_path)[0] == 2
    assert ran(program)[0] == 2
    (tmp_path / "index.tsv").write_text("id\n")
    assert ran(program, tmp_path)[0] == 2
