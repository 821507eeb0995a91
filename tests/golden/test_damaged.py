"""Recordings that are damaged, hostile or outdated: status 2, one message, and no file is changed."""

import hashlib
import json
import os
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load, save

from parity.case.cells import select
from parity.commands.cli import main
from parity.runner.recording import record_pair
from parity.trajectory.golden import place
from parity.trajectory.golden.sheet import MAX_SHEET_BYTES

CELL = "rmsprop/plain[float32]"
Damage = Callable[[Path, Path], object]


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    assert record_pair(select([CELL])[0], "reference", str(folder), 64).comparisons == []
    return folder


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "golden"))


def parts(folder: Path) -> tuple[Path, Path]:
    sheet = folder / f"{place.stem(CELL)}.json"
    return sheet, folder / json.loads(sheet.read_text())["values"]


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def edited(**changes: Any) -> Damage:
    def damage(sheet: Path, values: Path) -> None:
        sheet.write_text(json.dumps({**json.loads(sheet.read_text()), **changes}))

    return damage


def revalued(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Damage:
    """Change the values and give the sheet their new digest, so that only their content is wrong."""

    def damage(sheet: Path, values: Path) -> None:
        content = save(change(load(values.read_bytes())))
        values.write_bytes(content)
        edited(sha256=hashlib.sha256(content).hexdigest())(sheet, values)

    return damage


def resealed(content: bytes) -> Damage:
    def damage(sheet: Path, values: Path) -> None:
        values.write_bytes(content)
        edited(sha256=hashlib.sha256(content).hexdigest())(sheet, values)

    return damage


def replaced(path: Path, make: Callable[[Path], None]) -> None:
    path.unlink()
    make(path)


def linked(sheet: Path, values: Path) -> None:
    outside = sheet.parent.parent / "outside.safetensors"
    values.rename(outside)
    values.symlink_to(outside)


def sheet_linked(sheet: Path, values: Path) -> None:
    outside = sheet.parent.parent / "outside.json"
    sheet.rename(outside)
    sheet.symlink_to(outside)


def with_nan(tensors: dict[str, Any]) -> dict[str, Any]:
    tensors["parameter/kernel"][3, 2, 1] = np.nan
    return tensors


PARAMETER = "parameter/kernel"
DAMAGES: dict[str, tuple[Damage, str]] = {
    "values cut short": (lambda s, v: v.write_bytes(v.read_bytes()[:-3]), "SHA-256 differs"),
    "one bit of the values turned": (
        lambda s, v: v.write_bytes(v.read_bytes()[:-1] + bytes([v.read_bytes()[-1] ^ 1])),
        "SHA-256 differs",
    ),
    "values empty": (lambda s, v: v.write_bytes(b""), "SHA-256 differs"),
    "values missing": (lambda s, v: v.unlink(), "are not there"),
    "values a folder": (lambda s, v: replaced(v, Path.mkdir), "not a regular file"),
    "values a pipe": (lambda s, v: replaced(v, os.mkfifo), "not a regular file"),
    "values a link out of the folder": (linked, "leads out of its folder"),
    "values a link that leads nowhere": (
        lambda s, v: replaced(v, lambda path: path.symlink_to(path.parent / "gone.safetensors")),
        "are not there",
    ),
    "a sealed header of 2**60 bytes": (resealed((2**60).to_bytes(8, "little") + b"{}"), "not safetensors"),
    "a sealed header that is no JSON": (resealed((4).to_bytes(8, "little") + b"{abc"), "not safetensors"),
    "sealed junk": (resealed(bytes(range(256)) * 40), "not safetensors"),
    "50 MB of sealed junk": (resealed(b"\x55" * 50_000_000), "not safetensors"),
    "a pickle": (resealed(b"\x80\x04cos\nsystem\n(S'true'\ntR."), "not safetensors"),
    "NaN where the sheet says none": (revalued(with_nan), "holds NaN or infinity"),
    "a wrong shape": (
        revalued(lambda t: {**t, PARAMETER: t[PARAMETER][:, :4].copy()}),
        "received F32 [61, 4, 16]; allowed: F32 [61, 8, 16]",
    ),
    "too few rows": (revalued(lambda t: {**t, PARAMETER: t[PARAMETER][:9].copy()}), "allowed: F32 [61, 8, 16]"),
    "a wrong dtype": (
        revalued(lambda t: {**t, PARAMETER: t[PARAMETER].astype(np.float64)}),
        "received F64 [61, 8, 16]; allowed: F32",
    ),
    "a tensor missing": (revalued(lambda t: {k: a for k, a in t.items() if k != PARAMETER}), "received no such tensor"),
    "a tensor too many": (
        revalued(lambda t: {**t, "<script>alert(1)</script>\n\0": t[PARAMETER]}),
        "allowed: no such tensor",
    ),
    "the sheet cut short": (lambda s, v: s.write_bytes(s.read_bytes()[:100]), "damaged recording"),
    "the sheet no JSON": (lambda s, v: s.write_bytes(b"\xff\xfe{"), "damaged recording"),
    "the sheet another JSON": (lambda s, v: s.write_text("[1, 2]"), "Expected `object`"),
    "the sheet nested 100,000 deep": (lambda s, v: s.write_text("[" * 100_000), "damaged recording"),
    "the sheet 50 MB": (lambda s, v: s.write_bytes(b" " * 50_000_000), f"larger than {MAX_SHEET_BYTES} bytes"),
    "the sheet a link out of the folder": (sheet_linked, "leads out of its folder"),
    "the sheet a folder": (lambda s, v: replaced(s, Path.mkdir), "not a regular file"),
    "an unknown key": (edited(extra=1), "unknown field `extra`"),
    "another format": (edited(golden=2), "received format 2; allowed: 1"),
    "the sheet of another case": (edited(case="rmsprop/rho"), "received 'rmsprop/rho'"),
    "values named outside the folder": (edited(values="../outside.safetensors"), "$.values"),
    "values named by an absolute path": (edited(values="/etc/passwd"), "$.values"),
    "values named with NUL": (edited(values="a\0.safetensors"), "$.values"),
    "values named with a newline": (edited(values="a.safetensors\n"), "$.values"),
    "values named <script>": (edited(values="<script>.safetensors"), "$.values"),
    "no step": (edited(steps=0), "$.steps"),
    "a slot that is none": (edited(slots=["parameter", "../../x"]), "no such tensor"),
    "a digest that is none": (edited(sha256="0"), "$.sha256"),
}


@pytest.mark.sampled(5)
@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_recording_is_one_message_and_nothing_is_lost(
    name: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damage, said = DAMAGES[name]
    damage(*parts(folder))
    before = bytes_of(folder)
    assert main(["run", CELL, "--subject", f"golden:{folder}"]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.count("parity: error:") == 1
    assert said in shown.err
    assert "Traceback" not in shown.err
    assert "parity record" in shown.err
    assert "<script>" not in shown.err.replace("'<script>alert(1)</script>\\n\\x00'", "")
    assert bytes_of(folder) == before


@pytest.mark.parametrize("name", ["values cut short", "the sheet cut short", "another format", "a wrong shape"])
def test_recording_again_mends_what_is_damaged(name: str, folder: Path, whole: Path) -> None:
    DAMAGES[name][0](*parts(folder))
    assert record_pair(select([CELL])[0], "reference", str(folder), 64).comparisons == []
    assert bytes_of(folder) == bytes_of(whole)


def test_a_file_that_cannot_be_read_is_one_message(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if os.geteuid() == 0:
        pytest.skip("root reads every file")
    parts(folder)[1].chmod(0)
    assert main(["run", CELL, "--subject", f"golden:{folder}"]) == 2
    assert "Permission denied" in capsys.readouterr().err


@pytest.mark.parametrize(
    "name", ["", "nothing", "../..", "a\0b", "x" * 5000, "<script>", "keras-eagr", "/dev/null", "."]
)
def test_a_golden_that_does_not_exist_is_refused_by_name(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a" / "b")
    assert main(["run", CELL, "--subject", f"golden:{name}"]) == 2
    said = capsys.readouterr().err
    assert "neither shipped nor a folder with recordings" in said
    assert said.count("\n") == 1


def test_a_misspelt_golden_is_corrected(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", CELL, "--subject", "golden:keras-eagr"]) == 2
    assert "Did you mean 'keras-eager'?" in capsys.readouterr().err


CASE = """
id = "mine"
summary = "A case of one's own"
probes = ["rho"]
steps = 4
seed = {seed}
[problem]
kind = "replayed"
generator = "log_spaced"
tensors = {{ w = [3] }}
[hyperparameters]
rho = {rho}
"""


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"rho": 0.8}, "hyperparameters.rho: 0.9 then, 0.8 now"),
        ({"seed": 2}, "seed: 1 then, 2 now"),
    ],
)
def test_a_case_that_has_changed_since_is_refused_and_the_message_records_it_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], change: dict[str, Any], said: str
) -> None:
    case = tmp_path / "mine.toml"
    case.write_text(CASE.format(**{"rho": 0.9, "seed": 1}))
    assert main(["record", str(case), "--subject", "reference", "--output", str(tmp_path / "rec")]) == 0
    subject = f"golden:{tmp_path / 'rec' / 'reference'}"
    assert main(["run", str(case), "--subject", subject]) == 0
    case.write_text(CASE.format(**{"rho": 0.9, "seed": 1, **change}))
    capsys.readouterr()
    assert main(["run", str(case), "--subject", subject]) == 2
    message = capsys.readouterr().err
    assert said in message
    words = shlex.split(message.partition("again: parity ")[2])
    assert main(words) == 0
    assert main(["run", str(case), "--subject", subject]) == 0


def test_a_summary_or_a_probe_may_change_without_recording_again(tmp_path: Path) -> None:
    case = tmp_path / "mine.toml"
    text = CASE.format(rho=0.9, seed=1)
    case.write_text(text)
    assert main(["record", str(case), "--subject", "reference", "--output", str(tmp_path / "rec")]) == 0
    case.write_text(text.replace("A case of one's own", "Another sentence").replace('"rho"]', '"rho", "epsilon"]'))
    assert main(["run", str(case), "--subject", f"golden:{tmp_path / 'rec' / 'reference'}"]) == 0


def test_what_a_sheet_says_is_escaped_in_a_report(folder: Path, tmp_path: Path) -> None:
    hostile = "<script>alert(1)</script>\n\0\x1b[31m"
    edited(resolved=hostile, recorded=hostile, circumstances={hostile: hostile, "environment": {hostile: [hostile]}})(
        *parts(folder)
    )
    out = tmp_path / "report"
    assert main(["report", CELL, "--subject", f"golden:{folder}", "--output", str(out)]) == 0
    for name in ("index.html", "summary.md", "junit.xml"):
        content = (out / name).read_text(encoding="utf-8")
        assert "alert(1)" in content or name != "index.html"
        assert "<script>alert(1)" not in content
        assert "\0" not in content
        assert "\x1b" not in content
