"""Hostile recordings, baselines and disks through the whole command line, and hostile names in what it writes."""

import hashlib
import json
import os
import pickle
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from parity.case.cells import select
from parity.commands.cli import main
from parity.runner.recording import record_pair
from parity.trajectory.golden import place

CASE = "rmsprop/defaults"
HOSTILE = "<script>alert(1)<\u2215script>\n\x1b[31m\u202e"
OPTIMIZER = (Path(__file__).parents[1] / "optimizers" / "epsilon_outside.py").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recorded")
    assert record_pair(select([CASE])[0], "reference", str(folder), 64).comparisons == []
    return folder


@pytest.fixture
def one_message(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    def call(*words: str) -> str:
        capsys.readouterr()
        assert main(list(words)) == 2
        shown = capsys.readouterr()
        assert shown.err.count("parity: error: ") == 1
        assert "Traceback" not in shown.err
        assert (shown.out + shown.err).replace("\n", "").isprintable()
        return shown.err

    return call


def header_of(values: Path) -> tuple[dict[str, dict[str, object]], bytes]:
    content = values.read_bytes()
    size = int.from_bytes(content[:8], "little")
    return json.loads(content[8 : 8 + size]), content[8 + size :]


def framed(text: str, data: bytes) -> bytes:
    return len(text.encode()).to_bytes(8, "little") + text.encode() + data


def shifted(values: Path) -> bytes:
    table, data = header_of(values)
    first = next(name for name in table if name != "__metadata__")
    begin, end = table[first]["data_offsets"]  # type: ignore[misc]  # JSON
    table[first]["data_offsets"] = [begin + 4, end + 4]  # type: ignore[has-type]  # JSON
    return framed(json.dumps(table), data)


def beyond(values: Path) -> bytes:
    table, data = header_of(values)
    return framed(json.dumps(table), data[:-8])


def of_dtype(values: Path) -> bytes:
    table, data = header_of(values)
    return framed(re.sub(r'"F32"', '"F33"', json.dumps(table)), data)


def negative(values: Path) -> bytes:
    table, data = header_of(values)
    return framed(re.sub(r'"shape": \[', '"shape": [-1, ', json.dumps(table), count=1), data)


LIES: dict[str, Callable[[Path], bytes]] = {
    "overlapping offsets": shifted,
    "offsets beyond the end": beyond,
    "a dtype that is none": of_dtype,
    "a negative shape": negative,
    "a pickle": lambda values: pickle.dumps(open),
    "a zip with a pickle": lambda values: b"PK\x03\x04" + pickle.dumps(open),
    "a header nested 100,000 deep": lambda values: framed("[" * 100_000, b""),
}


@pytest.mark.parametrize("lie", LIES)
def test_values_that_lie_although_their_digest_fits(
    lie: str, recorded: Path, tmp_path: Path, one_message: Callable[..., str]
) -> None:
    folder = Path(shutil.copytree(recorded, tmp_path / "golden"))
    sheet = folder / f"{place.stem(CASE)}.json"
    document = json.loads(sheet.read_text(encoding="utf-8"))
    values = folder / document["values"]
    content = LIES[lie](values)
    values.write_bytes(content)
    sheet.write_text(json.dumps({**document, "sha256": hashlib.sha256(content).hexdigest()}), encoding="utf-8")
    message = one_message("run", CASE, "--subject", f"golden:{folder}")
    assert str(values) in message
    assert values.read_bytes() == content


@pytest.mark.parametrize("what", ["sheet", "values"])
def test_a_recording_without_an_end(what: str, recorded: Path, tmp_path: Path, one_message: Callable[..., str]) -> None:
    folder = Path(shutil.copytree(recorded, tmp_path / "golden"))
    path = next(folder.glob("*.json" if what == "sheet" else "*.safetensors"))
    path.unlink()
    path.symlink_to("/dev/zero")
    assert "leads out of its folder" in one_message("run", CASE, "--subject", f"golden:{folder}")


@pytest.mark.parametrize("suffix", ["", ".obtained"])
@pytest.mark.parametrize(
    ("target", "said"), [("/dev/zero", "not a file"), (".", "not a file"), ("itself", "Too many levels of symbolic")]
)
def test_a_baseline_without_an_end(
    suffix: str, target: str, said: str, tmp_path: Path, one_message: Callable[..., str]
) -> None:
    path = tmp_path / f"reference.json{suffix}"
    path.symlink_to(path.name if target == "itself" else target)
    message = one_message("accept", "--baseline", str(tmp_path))
    assert path.name in message
    assert said in message


def test_what_a_link_leads_to_is_never_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outside, folder = tmp_path / "outside", tmp_path / "baseline"
    outside.write_text("kept", encoding="utf-8")
    folder.mkdir()
    (folder / "reference.json.obtained").symlink_to(outside)
    assert main(["check", CASE, "--subject", "reference", "--baseline", str(folder)]) == 1
    assert main(["accept", "--baseline", str(folder)]) == 0
    (folder / "reference.json").rename(folder / "moved")
    assert outside.read_text(encoding="utf-8") == "kept"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Return a function that mounts a small file system of its own, and one to mount it anew with other options."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = False

    def mount(options: str) -> Path:
        nonlocal mounted
        kind = "remount," if mounted else ""
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", kind + options, "tmpfs", str(folder)], capture_output=True, text=True
        )
        if done.returncode:
            pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
        mounted = True
        return folder

    if shutil.which("mount") is None:
        pytest.skip("no program to mount a file system with")
    yield mount
    if mounted:
        subprocess.run(["umount", str(folder)], check=True)


WRITING = {
    "report": ["report", CASE, "--subject", "reference", "--output"],
    "record": ["record", CASE, "--subject", "reference", "--output"],
    "check": ["check", CASE, "--subject", "reference", "--baseline"],
    "accept": ["accept", "--baseline"],
    "export": ["export", CASE, "--output"],
}


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.sampled(3)
@pytest.mark.parametrize("command", WRITING)
@pytest.mark.parametrize("how", ["full", "read-only"])
def test_a_disk_that_takes_nothing_keeps_what_is_on_it(
    how: str, command: str, disk: Callable[[str], Path], one_message: Callable[..., str]
) -> None:
    root = disk("size=8m")
    target, steps = root / "kept", ["--steps", "5"] if command in ("report", "record") else []
    words = [*WRITING[command], str(target)]
    if command == "accept":
        main([*WRITING["check"], str(target)])
        main(words)
        (target / "reference.json").write_bytes(
            (target / "reference.json").read_bytes().replace(b"IDENTICAL", b"ROUNDING")
        )
        main([*WRITING["check"], str(target)])
    else:
        main([*words, *steps])
        if command == "check":
            main([*WRITING["accept"], str(target)])
            (target / "reference.json").write_bytes(
                (target / "reference.json").read_bytes().replace(b"IDENTICAL", b"ROUNDING")
            )
    before = files_of(target)
    assert before
    if how == "full":
        (root / "filler").write_bytes(b"\0" * shutil.disk_usage(root).free)
        said = "No space left on device"
    else:
        disk("ro,size=8m")
        said = "Read-only file system"
    message = one_message(*words)
    assert said in message
    assert "kept" in message
    assert files_of(target) == before
    assert sorted(path.name for path in root.iterdir()) == ["filler", "kept"] if how == "full" else ["kept"]


@pytest.mark.exhaustive
def test_hostile_names_reach_neither_the_terminal_nor_a_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / HOSTILE
    folder.mkdir()
    (folder / "mine.py").write_text(OPTIMIZER, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    subject = f"{HOSTILE}/mine.py:RMSprop"
    for words in (
        ["run", CASE, "--subject", subject],
        ["run", CASE, "--subject", subject, "--verbose"],
        ["report", CASE, "--subject", subject, "--output", "report"],
        ["check", CASE, "--subject", subject, "--baseline", "baseline"],
        ["accept", "--baseline", "baseline"],
        ["record", CASE, "--subject", subject, "--output", "recorded"],
    ):
        assert main(words) in (0, 1)
        shown = capsys.readouterr()
        assert (shown.out + shown.err).replace("\n", "").isprintable(), words
    for path in [*(tmp_path / "report").iterdir(), *(tmp_path / "baseline").iterdir()]:
        if path.suffix == ".parquet":
            continue
        text = path.read_text(encoding="utf-8")
        assert not {"\x1b", "\0", "\u202e" * (path.suffix != ".json")} & set(text), path.name
        if path.suffix in (".html", ".xml", ".md"):
            shown_as_code = r"`[^`]*`" if path.suffix == ".md" else "(?!)"
            assert "<script>alert(1)" not in re.sub(shown_as_code, "", text), path.name
    assert all(re.fullmatch(r"[\w.=-]+", path.name, re.ASCII) for path in (tmp_path / "recorded").rglob("*"))


@pytest.mark.parametrize("make", ["pipe", "endless", "folder", "loop", "pickle"])
def test_a_subject_that_is_no_python_file_is_refused_and_does_not_hang(
    make: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mine.py"
    if make == "pipe":
        os.mkfifo(path)
    elif make == "folder":
        path.mkdir()
    elif make == "pickle":
        path.write_bytes(pickle.dumps(open))
    else:
        path.symlink_to("/dev/zero" if make == "endless" else path)
    assert main(["run", CASE, "--subject", f"{path}:RMSprop"]) == 2
    shown = capsys.readouterr()
    assert not shown.out
    assert "mine.py" in shown.err
