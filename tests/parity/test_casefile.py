"""Whatever is wrong with a case file, one message says where, what was received, what is allowed and how to go on."""

import os
import re
from pathlib import Path

import pytest

from parity.case.cells import collect, load_cells, pattern_of, select
from parity.commands.cli import main
from parity.errors import ParityError, SpecError, UsageError

GOOD = """
id = "a"
summary = "s"
probes = ["rho"]
steps = 2
[problem]
kind = "replayed"
generator = "zeros"
tensors = { kernel = [2, 3] }
[hyperparameters]
rho = 0.5
"""
RATE = "[hyperparameters.learning_rate]\nschedule ="

BROKEN: dict[str, tuple[str, str]] = {
    "syntax": (GOOD + "=", r"not valid TOML: .*line 12"),
    "key twice": (GOOD + "rho = 1", r"not valid TOML"),
    "binary": ("\udcff\udcfe", r"byte 0 is not UTF-8"),
    "nul": (GOOD + "\0", r"not valid TOML"),
    "empty": ("", r"top level: key 'id' is missing; required: id, summary"),
    "too large": (GOOD + "#\n" * 8_000_000, r"allowed: at most 16000000"),
    "long and of long lines": (GOOD + "#" * 70_000, r"allowed: none in a file of more than 64000 bytes"),
    "deep list": (GOOD + "x = " + "[" * 30_000, r"nested too deeply"),
    "deep table": (GOOD + "a." * 25 + "b = 1", r"nested too deeply"),
    "endless key": (GOOD + "a." * 20_000 + "b = 1", r"a key of 32 or more parts"),
    "endless number": (GOOD.replace("steps = 2", "steps = " + "1" * 5_000), r"not valid TOML"),
    "endless hexadecimal": (GOOD.replace("steps = 2", "steps = 0x" + "f" * 9_000), r"thousands of digits"),
    "nan": (GOOD.replace("0.5", "nan"), r"hyperparameters.rho: received nan; allowed: a finite number"),
    "infinity": (GOOD + "epsilon = inf", r"hyperparameters.epsilon: received inf"),
    "negative": (GOOD + "epsilon = -1e-7", r"hyperparameters.epsilon: expected number >= 0.0; received -1e-07"),
    "above one": (GOOD.replace("0.5", "1.5"), r"hyperparameters.rho: expected number <= 1.0; received 1.5"),
    "text for number": (GOOD.replace("0.5", "'x'"), r"rho: expected number, got string; received 'x'"),
    "number for bool": (GOOD + "centered = 1", r"centered: expected true or false, got integer; received 1"),
    "bool for integer": (GOOD.replace("steps = 2", "steps = true"), r"steps: expected integer, got true or false"),
    "bool for number": (GOOD.replace("0.5", "true"), r"rho: expected number, got true or false"),
    "fraction for integer": (GOOD.replace("steps = 2", "steps = 2.5"), r"steps: expected integer, got number"),
    "list for rate": (GOOD + "learning_rate = [1]", r"learning_rate: expected number or table, got list"),
    "unknown top key": (
        "sed = 1\n" + GOOD,
        r"top level: unknown key 'sed'. Did you mean 'seed'\? Allowed: comparisons",
    ),
    "unknown argument": (GOOD + "momentun = 1", r"hyperparameters: unknown key 'momentun'. Did you mean 'momentum'\?"),
    "unknown problem key": (
        GOOD.replace("tensors", "tensor"),
        r"problem: unknown key 'tensor'. Did you mean 'tensors'",
    ),
    "unknown weights key": (GOOD + "[weights]\nkinds = 1", r"weights: unknown key 'kinds'. Did you mean 'kind'"),
    "unknown schedule": (GOOD + RATE + "'Cosine'", r"schedule: received 'Cosine'. Did you mean 'CosineDecay'"),
    "unknown schedule key": (
        GOOD + RATE + "'CosineDecay'\ninitial_learning_rate = 1\ndecay_step = 1",
        r"learning_rate: unknown key 'decay_step'. Did you mean 'decay_steps'",
    ),
    "schedule without a key": (GOOD + RATE + "'CosineDecay'", r"key 'initial_learning_rate' is missing; required"),
    "schedule without a name": (GOOD + "learning_rate = {}", r"learning_rate: key 'schedule' is missing"),
    "boundaries": (
        GOOD + RATE + "'PiecewiseConstantDecay'\nboundaries = [5]\nvalues = [1, 2, 3]",
        r"learning_rate.values: received 3 for 1 boundaries; allowed: 2",
    ),
    "falling boundaries": (
        GOOD + RATE + "'PiecewiseConstantDecay'\nboundaries = [5, 5]\nvalues = [1, 2, 3]",
        r"boundaries: received \[5, 5\]; each must be above",
    ),
    "warm-up without steps": (
        GOOD + RATE + "'CosineDecay'\ninitial_learning_rate = 1\ndecay_steps = 1\nwarmup_target = 1",
        r"warmup_steps: received 0 with warmup_target = 1.0",
    ),
    "unknown kind": (GOOD.replace("'replayed'", "'r'").replace('"replayed"', '"replaid"'), r"kind: received 'replaid'"),
    "unknown generator": (GOOD.replace("zeros", "zero"), r"generator: received 'zero'. Did you mean 'zeros'"),
    "unknown order": (
        GOOD.replace("tensors", "order = 'rotated'\ntensors"),
        r"order: received 'rotated'. Did you mean",
    ),
    "order of one": (GOOD.replace("tensors", "order = 'rotating'\ntensors"), r"problem.order: received .*one tensor"),
    "unknown dtype": ("dtype = 'float31'\n" + GOOD, r"dtype: received 'float31'. Did you mean 'float32'\? Allowed"),
    "unknown probe": (GOOD.replace('"rho"', '"roh"'), r"probes: received 'roh'. Did you mean 'rho'"),
    "no probe": (GOOD.replace('"rho"', ""), r"probes: expected list of length >= 1; received \[\]"),
    "no problem": (GOOD.split("[problem]")[0], r"key 'problem' is missing"),
    "no kind": (GOOD.replace('kind = "replayed"', ""), r"problem: key 'kind' is missing"),
    "no steps": (GOOD.replace("steps = 2", ""), r"steps: missing, and epochs too"),
    "steps and epochs": ("epochs = 1\n" + GOOD, r"epochs: received together with steps"),
    "no tensors": (GOOD.replace("tensors = { kernel = [2, 3] }", ""), r"problem.tensors: received none"),
    "empty tensors": (GOOD.replace("[2, 3]", "[2, 0]"), r"problem.tensors: received only empty tensors"),
    "negative shape": (GOOD.replace("[2, 3]", "[2, -3]"), r"problem.tensors.kernel\[1\]: expected integer >= 0"),
    "shape is a number": (GOOD.replace("[2, 3]", "6"), r"problem.tensors.kernel: expected list, got integer"),
    "huge shape": (GOOD.replace("[2, 3]", "[9999999, 9999999]"), r"problem.tensors: received 99999980000001 elements"),
    "tensor's name": (
        GOOD.replace("kernel =", '"../k" ='),
        r"problem.tensors: expected a tensor's name.*received '../k'",
    ),
    "low above high": (GOOD.replace("[hyper", "low = 2\nhigh = 1\n[hyper"), r"problem.low: received 2.0, above"),
    "too high for float16": (
        "dtype = 'float16'\n" + GOOD.replace("[hyper", "high = 1e6\n[hyper"),
        r"problem.high: .*65504",
    ),
    "two clips": (GOOD + "clipnorm = 1\nclipvalue = 1", r"clipvalue: received together with clipnorm"),
    "clip of zero": (GOOD + "clipnorm = 0", r"clipnorm: expected number > 0.0"),
    "overwriting without average": (GOOD + "ema_overwrite_frequency = 2", r"no effect without use_ema"),
    "coefficient without average": (GOOD + "ema_momentum = 0.5", r"ema_momentum: received 0.5; has no effect"),
    "exclusion without decay": (GOOD + "exclude_from_weight_decay = ['b']", r"no effect without weight_decay"),
    "no regular expression": (
        GOOD + "weight_decay = 1\nexclude_from_weight_decay = ['(']",
        r"received '\(', which is no regular expression: missing \)",
    ),
    "one micro-batch": (GOOD + "gradient_accumulation_steps = 1", r"expected integer >= 2; received 1"),
    "weights without file": (GOOD + "[weights]\nkind = 'file'", r"weights.file: missing"),
    "file that nobody reads": (GOOD + "[weights]\nfile = 'x.npz'", r"weights.file: received 'x.npz', which 'normal'"),
    "recording without file": (GOOD.replace("zeros", "recorded"), r"problem.file: missing"),
    "computed replay": ("gradients = 'computed'\n" + GOOD, r"gradients: received 'computed'; .* allows 'replayed'"),
    "comparison twice": ("comparisons = ['free', 'free']\n" + GOOD, r"comparisons: received .* at most once"),
    "id with a break": (GOOD.replace('"a"', r'"a\n"'), r"id: expected a name: letters.*received 'a\\n'"),
    "id with tags": (GOOD.replace('"a"', '"<script>"'), r"id: expected a name"),
    "id with folders": (GOOD.replace('"a"', '"../a"'), r"id: expected a name"),
    "summary with a break": (GOOD.replace('"s"', r'"s\nt"'), r"summary: expected one line of printable text"),
    "control in key": (GOOD + '"\\u001b[31m" = 1', r"unknown key '\\x1b\[31m'"),
    "empty matrix": (GOOD + "[matrix]\nseed = []", r"matrix.seed: expected list of length >= 1; received \[\]"),
    "matrix of numbers": (GOOD + "[matrix]\nseed = 3", r"matrix.seed: expected list, got integer"),
    "wrong value in matrix": (
        GOOD + '[matrix]\n"hyperparameters.rho" = [0.5, 2]',
        r"\[rho=2\]: hyperparameters.rho: exp",
    ),
    "infinity in matrix": (GOOD + '[matrix]\n"hyperparameters.rho" = [0.5, inf]', r"rho\[1\]: received inf"),
    "matrix names nothing": (
        GOOD + '[matrix]\n"hyperparameters.roh" = [0.5]',
        r"unknown key 'roh'. Did you mean 'rho'",
    ),
    "matrix into a number": (
        GOOD + '[matrix]\n"steps.x" = [1]',
        r"matrix: 'steps.x' names no table: 'steps' is 2 here",
    ),
    "matrix of ids": (GOOD + "[matrix]\nid = ['b']", r"matrix: 'id' cannot vary"),
    "matrix with twins": (GOOD + "[matrix]\nseed = [1, 1]", r"matrix: 2 combinations have the id 'a\[seed=1\]'"),
    "vast matrix": (GOOD + f"[matrix]\nseed = {list(range(50))}\nsteps = {list(range(1, 50))}", r"spans 2450 cells"),
    "pixels": (
        GOOD.split("[problem]")[0] + "gradients = 'shared'\n[problem]\nkind = 'mlp'\nlayers = [785, 10]",
        r"problem.layers: received \[785, 10\]; mnist_first_1000 allows at most 784 inputs and 10 outputs",
    ),
    "batch": (
        GOOD.split("[problem]")[0] + "gradients = 'shared'\n[problem]\nkind = 'mlp'\nbatch_size = 9\nexamples = 8",
        r"problem.batch_size: received 9; allowed: at most examples = 8",
    ),
}

# What the line begins with that the message names; empty where the mistake is what the file lacks, or the whole file.
PLACES: dict[str, str] = {
    "syntax": "=",
    "key twice": "rho",
    "binary": "\udcff",
    "nul": "\x00",
    "empty": "",
    "too large": "",
    "long and of long lines": "#",
    "deep list": "",
    "deep table": "a.a.a",
    "endless key": "a.a.a",
    "endless number": "",
    "endless hexadecimal": "steps",
    "nan": "rho",
    "infinity": "epsilon",
    "negative": "epsilon",
    "above one": "rho",
    "text for number": "rho",
    "number for bool": "centered",
    "bool for integer": "steps",
    "bool for number": "rho",
    "fraction for integer": "steps",
    "list for rate": "learning_rate",
    "unknown top key": "sed",
    "unknown argument": "momentun",
    "unknown problem key": "tensor",
    "unknown weights key": "kinds",
    "unknown schedule": "schedule",
    "unknown schedule key": "decay_step",
    "schedule without a key": "[hyperparameters.learning_rate]",
    "schedule without a name": "learning_rate",
    "boundaries": "values",
    "falling boundaries": "boundaries",
    "warm-up without steps": "warmup_target",
    "unknown kind": "kind",
    "unknown generator": "generator",
    "unknown order": "order",
    "order of one": "order",
    "unknown dtype": "dtype",
    "unknown probe": "probes",
    "no probe": "probes",
    "no problem": "",
    "no kind": "[problem]",
    "no steps": "",
    "steps and epochs": "epochs",
    "no tensors": "[problem]",
    "empty tensors": "tensors",
    "negative shape": "tensors",
    "shape is a number": "tensors",
    "huge shape": "tensors",
    "tensor's name": "tensors",
    "low above high": "low",
    "too high for float16": "high",
    "two clips": "clipvalue",
    "clip of zero": "clipnorm",
    "overwriting without average": "ema_overwrite_frequency",
    "coefficient without average": "ema_momentum",
    "exclusion without decay": "exclude_from_weight_decay",
    "no regular expression": "exclude_from_weight_decay",
    "one micro-batch": "gradient_accumulation_steps",
    "weights without file": "kind",
    "file that nobody reads": "file",
    "recording without file": "generator",
    "computed replay": "gradients",
    "comparison twice": "comparisons",
    "id with a break": "id",
    "id with tags": "id",
    "id with folders": "id",
    "summary with a break": "summary",
    "control in key": "\\u001b[31m",
    "empty matrix": "seed",
    "matrix of numbers": "seed",
    "wrong value in matrix": "hyperparameters.rho",
    "infinity in matrix": "hyperparameters.rho",
    "matrix names nothing": "hyperparameters.roh",
    "matrix into a number": "steps.x",
    "matrix of ids": "id",
    "matrix with twins": "[matrix]",
    "vast matrix": "[matrix]",
    "pixels": "layers",
    "batch": "batch_size",
}


def write(folder: Path, text: str, name: str = "a.toml") -> Path:
    path = folder / name
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    return path


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_case_is_refused_with_one_clear_message(name: str, tmp_path: Path) -> None:
    text, expected = BROKEN[name]
    with pytest.raises(SpecError) as caught:
        load_cells(write(tmp_path, text))
    message = str(caught.value)
    assert re.search(expected, message), message
    named = re.match(re.escape(str(tmp_path / "a.toml")) + r"(?::(\d+))?( \[\S+\])?: ", message)
    assert named, message
    line = text.split("\n")[int(named[1]) - 1] if named[1] else ""
    assert line.lstrip('"').startswith(PLACES[name])
    assert bool(line) is bool(PLACES[name])
    assert "\n" not in message
    assert "msgspec" not in message


@pytest.mark.parametrize("name", ["syntax", "nan", "unknown argument", "wrong value in matrix"])
def test_the_command_turns_a_broken_case_into_status_2(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", str(write(tmp_path, BROKEN[name][0]))]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("parity: error: ")
    assert captured.err.count("\n") == 1


def test_a_good_case_is_one_cell(tmp_path: Path) -> None:
    (cell,) = load_cells(write(tmp_path, GOOD))
    assert (cell.id, cell.case, cell.steps, cell.folder, cell.file) == ("a", "a", 2, str(tmp_path), "a.toml")


def test_a_matrix_spans_every_combination_with_readable_ids(tmp_path: Path) -> None:
    text = GOOD + '[matrix]\ndtype = ["float32", "float16"]\n"hyperparameters.centered" = [false, true]'
    ids = [cell.id for cell in load_cells(write(tmp_path, text))]
    assert ids == [f"a[{dtype},centered={c}]" for dtype in ("float32", "float16") for c in ("false", "true")]


def test_a_table_in_a_matrix_is_merged_and_a_kind_replaces(tmp_path: Path) -> None:
    text = GOOD + "[weights]\nkind = 'uniform'\nscale = 3.0\n[matrix]\nhyperparameters = [{ momentum = 0.9 }, {}]\n"
    cells = load_cells(write(tmp_path, text + "weights = [{ kind = 'constant' }, { scale = 4.0 }]"))
    assert [cell.id for cell in cells[:2]] == ["a[momentum=0.9,constant]", "a[momentum=0.9,scale=4.0]"]
    assert [(c.hyperparameters.rho, c.hyperparameters.momentum) for c in cells[1:3]] == [(0.5, 0.9), (0.5, 0.0)]
    assert [(cell.weights.kind, cell.weights.scale) for cell in cells[:2]] == [("constant", 1.0), ("uniform", 4.0)]


def test_labels_hold_no_character_that_a_shell_or_page_obeys(tmp_path: Path) -> None:
    text = (
        GOOD + "weight_decay = 0.1\n[matrix]\n\"hyperparameters.exclude_from_weight_decay\" = [['<b>$'], ['k\\n', 'b']]"
    )
    for cell in load_cells(write(tmp_path, text.replace("'k\\n'", '"k\\n"'))):
        assert re.fullmatch(r"a\[[\w.=+-]+\]", cell.id)


def test_epochs_become_steps_and_the_last_batch_counts(tmp_path: Path) -> None:
    head = GOOD.split("[problem]")[0].replace("steps = 2", "epochs = 3\ngradients = 'shared'")
    (cell,) = load_cells(write(tmp_path, head + "[problem]\nkind = 'mlp'\nbatch_size = 30\nexamples = 100"))
    assert cell.steps == 12


def test_what_is_no_regular_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "loop.toml").symlink_to(tmp_path / "loop.toml")
    os.mkfifo(tmp_path / "pipe.toml")
    (tmp_path / "folder.toml").mkdir()
    for name in ("loop.toml", "pipe.toml", "folder.toml", "none.toml", "n\0l.toml"):
        with pytest.raises(SpecError, match=r"toml: "):
            load_cells(tmp_path / name)


def test_a_broken_file_keeps_no_other_from_being_read(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    write(tmp_path, "=", "b.toml")
    write(tmp_path, "experiment = 'x'", "c.toml")
    cells, problems = collect([], tmp_path)
    assert [cell.id for cell in cells] == ["a"]
    assert [type(problem) for problem in problems] == [SpecError]
    assert select(["a"], tmp_path) == cells
    with pytest.raises(SpecError):
        select([], tmp_path)


def test_a_shipped_case_that_changes_is_read_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("parity.case.cells.CASES", tmp_path)
    file = write(tmp_path, GOOD)
    age = file.stat().st_mtime_ns
    before = select(["a"])
    assert select(["a"])[0] is before[0]
    write(tmp_path, GOOD.replace("steps = 2", "steps = 3"))
    os.utime(file, ns=(age, age))  # of one length, and as old as the one before
    assert [cell.steps for cell in select(["a"])] == [3]
    write(tmp_path, GOOD + "wrong")
    with pytest.raises(SpecError):
        select(["*"])
    file.unlink()
    with pytest.raises(UsageError):
        select(["a"])


def test_what_is_wrong_with_a_shipped_case_is_said_from_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("parity.case.cells.CASES", tmp_path)
    file = write(tmp_path, GOOD.replace("steps = 2", "steps = 0"))
    (tmp_path / "beside").mkdir()
    for folder, place in [(tmp_path, file.name), (tmp_path / "beside", str(file))]:
        monkeypatch.chdir(folder)
        with pytest.raises(SpecError) as caught:
            select([])
        assert str(caught.value).startswith(f"{place}:5: steps: ")


def test_asking_for_a_case_whose_file_is_broken_says_so(tmp_path: Path) -> None:
    write(tmp_path, "=", "b.toml")
    _, problems = collect(["b"], tmp_path)
    assert any("not valid TOML" in str(problem) for problem in problems)


def test_a_case_below_the_root_has_its_files_name(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"id: received 'a'; a case below cases/ has its file's name: 'other'"):
        load_cells(write(tmp_path, GOOD, "other.toml"), tmp_path)


def test_two_files_with_one_id_are_refused(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    paths = [str(write(tmp_path, GOOD)), str(write(tmp_path / "sub", GOOD))]
    with pytest.raises(UsageError, match="two files hold a cell 'a'"):
        select(paths)
    assert len(select([paths[0], paths[0]])) == 1


def test_a_cell_of_a_file_elsewhere_is_found_again_by_its_pattern(tmp_path: Path) -> None:
    cells = load_cells(write(tmp_path, GOOD + "[matrix]\nseed = [1, 2]", "a [b].toml"))
    assert pattern_of(cells[1]) == f"{tmp_path}/a [b].toml[seed=2]"
    assert select([pattern_of(cells[1])]) == [cells[1]]


@pytest.mark.parametrize(
    ("pattern", "count"),
    [("rmsprop/plain", 4), ("rmsprop/plain[float16]", 1), ("*/plain*", 4), ("rms*plain[*16]", 2), ("*[*", 1)],
)
def test_patterns_select_by_case_cell_or_glob(pattern: str, count: int) -> None:
    assert len(select([pattern])) >= count


@pytest.mark.parametrize("pattern", ["", "rmsprop/plane", "plain", "rmsprop/plain[", "*zz*", "rmsprop/plain\n", "**zz"])
def test_a_pattern_that_matches_nothing_is_a_mistake(pattern: str) -> None:
    with pytest.raises(ParityError, match="no case matches"):
        select([pattern])


def test_a_near_miss_is_suggested() -> None:
    with pytest.raises(UsageError, match="Did you mean 'rmsprop/plain"):
        select(["rmsprop/plane"])


def test_what_the_matrix_sets_names_the_line_of_its_key(tmp_path: Path) -> None:
    text = GOOD + "[weights]\nkind = 'normal'\n[matrix]\n'hyperparameters.rho' = [\n  0.1,\n  2,\n]\n"
    assert refused(tmp_path, text).startswith("a.toml:15 [rho=2]: hyperparameters.rho: expected")
    text = GOOD + "[matrix]\nseed = [1]\nhyperparameters = [{ momentum = 0.5 }, { clipnorm = 1, clipvalue = 2 }]\n"
    assert refused(tmp_path, text).startswith("a.toml:14 [seed=1,clipnorm=1+clipvalue=2]: hyperparameters.clipvalue")
    text = GOOD + "[matrix]\n'weights.kind' = ['file']\n"
    assert refused(tmp_path, text).startswith("a.toml:13 [file]: weights.file: missing")
    text = GOOD + "[matrix]\n'problem.tensors.kernel' = [[2], [9999999, 9999999]]\n"
    assert refused(tmp_path, text).startswith(
        "a.toml:13 [kernel=9999999+9999999]: problem.tensors: received 99999980000001"
    )


def test_what_a_table_of_the_matrix_leaves_alone_names_its_own_line(tmp_path: Path) -> None:
    text = GOOD + "clipnorm = 1\n[matrix]\nhyperparameters = [{ momentum = 0.5 }, { clipvalue = 2, momentum = 0.1 }]\n"
    assert refused(tmp_path, text.replace("clipvalue", "global_clipnorm")).startswith("a.toml:14 [")
    text = GOOD + "epsilon = -1\n[matrix]\nhyperparameters = [{ momentum = 0.5 }]\n"
    assert refused(tmp_path, text).startswith("a.toml:12: hyperparameters.epsilon")
    text = GOOD + "ema_momentum = 0.5\n[matrix]\nhyperparameters = [{ momentum = 0.5 }]\n"
    assert refused(tmp_path, text).startswith("a.toml:12 [momentum=0.5]: hyperparameters.ema_momentum")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (GOOD.replace("[hyper", "high = 1e-9\n[hyper"), "high = 1e-9"),
        (GOOD.split("[problem]")[0] + "[problem]\nkind = 'mlp'", "kind = 'mlp'"),
        (BROKEN["warm-up without steps"][0], "warmup_target = 1"),
    ],
    ids=["bounds", "gradients", "warm-up"],
)
def test_a_contradiction_with_a_default_names_the_line_of_the_other_key(tmp_path: Path, text: str, line: str) -> None:
    number = text.split("\n").index(line) + 1
    assert refused(tmp_path, text).startswith(f"a.toml:{number}: ")


def test_a_wrong_list_of_sparse_rows_is_named(tmp_path: Path) -> None:
    text = GOOD.replace("[hyper", "sparse = { kernel = 'x' }\n[hyper")
    assert refused(tmp_path, text).startswith("a.toml:10: problem.sparse.kernel: expected list, got string")


def refused(folder: Path, text: str) -> str:
    """Return the message without the folder."""
    with pytest.raises(SpecError) as caught:
        load_cells(write(folder, text))
    return str(caught.value).removeprefix(f"{folder}/")
