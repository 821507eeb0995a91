"""Somebody else's project, with its own environment and nothing of ours but the built wheel, tests its optimizer."""

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from newcomer import STEPS, Newcomer, lays_it_out
from optimizer_source import OPTIMIZERS
from packaging.metadata import Metadata
from packaging.specifiers import SpecifierSet
from second_project import ROOT, build_wheel, environment, metadata_of

# Both build and make an environment; one worker does so once.
pytestmark = [pytest.mark.tensorflow, pytest.mark.xdist_group("wheel")]

TEST = f"""{OPTIMIZERS}

def test_right(parity):
    parity.assert_parity(Right, cases="rmsprop/*")


def test_wrong(parity):
    parity.assert_parity(Wrong, cases="rmsprop/*")
"""
Session = Callable[..., str]
MINOR = re.compile(r"Python :: (3)\.(\d+)$")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    before = sorted(ROOT.iterdir())
    built = build_wheel(tmp_path_factory.mktemp("wheel"))
    assert sorted(ROOT.iterdir()) == before, "the build wrote into the checkout"
    return built


@pytest.fixture(
    scope="module",
    params=["without TensorFlow", pytest.param("with TensorFlow", marks=pytest.mark.exhaustive)],
)
def python(request: pytest.FixtureRequest, wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    if request.param == "with TensorFlow":
        pytest.importorskip("tensorflow")
    also = ["pytest", "pytest-xdist", *["tensorflow"] * (request.param == "with TensorFlow")]
    found = environment(tmp_path_factory.mktemp("environment"), wheel, also)
    # That it can be imported too is shown by the case file that it passes.
    look = "from importlib.util import find_spec; print(find_spec('tensorflow') is not None)"
    seen = subprocess.run([found, "-c", look], capture_output=True, text=True, env=clean())
    assert seen.stdout.strip() == str(request.param == "with TensorFlow"), seen.stderr
    return found


@pytest.fixture
def pytest_there(python: Path, tmp_path: Path) -> Session:
    def run(*arguments: str) -> str:
        command = [str(python), "-m", "pytest", *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=clean()).stdout

    return run


def test_a_registry_takes_the_metadata_and_shows_what_a_reader_looks_for(wheel: Path) -> None:
    shown = Metadata.from_email(metadata_of(wheel), validate=True)  # raises for what a registry would refuse
    assert str(shown.license_expression) == "Apache-2.0"
    assert shown.description_content_type == "text/markdown"
    assert shown.summary
    assert {"keras", "rmsprop", "optimizer"} <= set(shown.keywords or [])
    minors = [tuple(map(int, found[0])) for c in shown.classifiers or [] if (found := MINOR.findall(c))]
    assert shown.requires_python == SpecifierSet(f">={'.'.join(map(str, min(minors)))}")
    assert "Framework :: Pytest" in (shown.classifiers or [])
    assert "Typing :: Typed" in (shown.classifiers or [])


def clean() -> dict[str, str]:
    """Return the environment's variables without what would let this checkout in."""
    return {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "PYTEST", "VIRTUAL"))}


def test_three_lines_pass_for_a_right_optimizer_and_name_the_cause_for_a_wrong_one(
    pytest_there: Session, python: Path, tmp_path: Path
) -> None:
    (tmp_path / "test_mine.py").write_text(TEST, encoding="utf-8")
    out = pytest_there("-n", "2")
    assert "1 failed, 1 passed" in out
    assert "likeliest explanation: epsilon is added after the root instead of under it" in out
    found = re.search(r"reproduce: parity (run) '(.*)' --subject (\S+)", out)
    assert found is not None, out
    command = [python.with_name("parity"), found[1], found[2], "--subject", found[3]]
    again = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=clean())
    assert again.returncode == 1, again.stderr
    assert str(ROOT) not in out


@pytest.mark.sampled(2)
def test_a_case_file_runs_against_keras_or_its_recorded_trajectories(
    pytest_there: Session, python: Path, tmp_path: Path
) -> None:
    place = "import parity.case.places; print(parity.case.places.CASES)"
    found = subprocess.run([python, "-c", place], cwd=tmp_path, capture_output=True, text=True, env=clean()).stdout
    assert python.parents[1] in Path(found.strip()).parents
    out = pytest_there(str(Path(found.strip()) / "rmsprop" / "plain.toml"), "-v", "-k", "float32")
    subject = "keras-eager" if _has_tensorflow(python) else "golden:keras-eager"
    assert f"{subject} equals the reference with float32 PASSED" in out
    assert "1 passed" in out


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    "step", [pytest.param(s, id=s.__name__, marks=() if s is lays_it_out else pytest.mark.exhaustive) for s in STEPS]
)
def test_a_newcomer_goes_through_the_readme_with_the_wheel_alone(
    step: Callable[[Newcomer], None], python: Path, tmp_path: Path
) -> None:
    if _has_tensorflow(python):
        pytest.skip("what needs no TensorFlow is shown where there is none")
    step(Newcomer(tmp_path, python))


def _has_tensorflow(python: Path) -> bool:
    return any(python.parents[1].glob("lib/python*/site-packages/tensorflow"))
