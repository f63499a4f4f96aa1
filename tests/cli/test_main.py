"""Exit codes, one-line errors, and what is printed where."""

import io
import re
import subprocess
import sys

import pytest

from zslearn import __version__
from zslearn._cli import _main
from zslearn.exceptions import NonFiniteLossError


def test_version(zslearn):
    done = zslearn("--version")
    assert (done.code, done.out.strip()) == (0, f"zslearn {__version__}")


def test_no_command_prints_help_and_fails(zslearn):
    done = zslearn()
    assert done.code == 2
    assert {"extract", "evaluate", "benchmark", "reproduce", "info"} <= set(done.out.split())


@pytest.mark.parametrize("command", ["extract", "evaluate", "benchmark", "reproduce", "info"])
def test_help(zslearn, command):
    done = zslearn(command, "--help")
    assert done.code == 0
    assert f"zslearn {command}" in done.out
    assert "--traceback" in done.out


@pytest.mark.parametrize(
    "arguments",
    [
        ["frobnicate"],
        ["extract"],
        ["extract", "pictures", "-o", "x", "--batch-size", "0"],
        ["extract", "pictures", "-o", "x", "--grid", "7"],
        ["extract", "pictures", "-o", "x", "--model-option", "pad_type"],
        ["evaluate", "x", "--unseen", "1.5"],
        ["evaluate", "x", "--delta", "best"],
        ["evaluate", "x", "--set", "=3"],
        ["benchmark", "x", "--splits", "0"],
    ],
)
def test_wrong_command_lines_are_usage_errors(zslearn, arguments):
    done = zslearn(*arguments)
    assert done.code == 2
    assert "usage: zslearn" in done.err
    assert "Traceback" not in done.err


def test_a_users_mistake_is_one_line(zslearn, tmp_path):
    done = zslearn("info", tmp_path / "absent")
    assert done.code == 1
    assert done.out == ""
    assert re.fullmatch(r"zslearn info: error: there is no '.*absent'\.\n", done.err)


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("first\n  second"), "first second"),
        (KeyError("no such\nname"), "no such name"),
        (FileNotFoundError(2, "No such file or directory", "x.csv"), "No such file .*: x.csv"),
        (OSError("disk on fire"), "disk on fire"),
        (MemoryError(), "out of memory; use smaller batches .*"),
        (NonFiniteLossError("lower learning_rate"), "lower learning_rate"),
        (ValueError(), "ValueError"),
    ],
)
def test_errors_of_the_library(zslearn, monkeypatch, error, line):
    def fail(arguments):
        raise error

    monkeypatch.setattr(_main._COMMANDS["info"], "run", fail)
    done = zslearn("info")
    assert done.code == 1
    assert re.fullmatch(f"zslearn info: error: {line}\n", done.err)
    with pytest.raises(type(error)):
        zslearn("info", "--traceback")
    with pytest.raises(type(error)):
        zslearn("--traceback", "info")


def test_our_own_faults_keep_their_traceback(zslearn, monkeypatch):
    def fail(arguments):
        raise AssertionError("impossible")

    monkeypatch.setattr(_main._COMMANDS["info"], "run", fail)
    with pytest.raises(AssertionError, match="impossible"):
        zslearn("info")


@pytest.mark.parametrize(("command", "hint"), [("extract", True), ("info", False)])
def test_interrupted(zslearn, monkeypatch, command, hint):
    def stop(arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(_main._COMMANDS[command], "run", stop)
    arguments = ["folder", "-o", "store"] if command == "extract" else []
    done = zslearn(command, *arguments)
    assert done.code == 130
    assert done.err.startswith(f"zslearn {command}: interrupted.")
    assert ("same command again" in done.err) is hint


def test_warnings_are_lines(zslearn, monkeypatch):
    import warnings

    def warn(arguments):
        warnings.warn("mind\nthe gap", UserWarning, stacklevel=1)

    monkeypatch.setattr(_main._COMMANDS["info"], "run", warn)
    done = zslearn("info")
    assert (done.code, done.err) == (0, "zslearn: warning: mind the gap\n")


def test_module_and_closed_pipe():
    """`python -m zslearn` exits as main says; a reader that goes away is no traceback."""
    done = subprocess.run(
        [sys.executable, "-m", "zslearn", "info", "/no/such/place"], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr.startswith("zslearn info: error: ")
    process = subprocess.Popen(
        [sys.executable, "-m", "zslearn", "info"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    process.stdout.close()
    assert "Traceback" not in process.stderr.read()
    process.stderr.close()
    assert process.wait() == 1


def test_names_that_the_terminal_does_not_know(zslearn, monkeypatch):
    """Names of files may hold bytes that are no text; results must not be lost for a letter."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setattr(_main._COMMANDS["info"], "run", lambda arguments: print("± caf\udce9"))
    assert _main.main(["info"]) == 0
    assert stream.buffer.getvalue() == b"\\xb1 caf\\udce9\n"


def test_help_needs_no_torch():
    code = (
        "import sys; from zslearn._cli import main; main(['extract', '--help']); "
        "sys.exit(any(m in sys.modules for m in ('torch', 'sklearn', 'pandas', 'timm')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True)
    assert done.returncode == 0
