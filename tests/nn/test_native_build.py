"""The compiled code is built once, kept where nobody else writes, and not always to be had."""

import shutil
import stat
import subprocess
import sys
import tomllib
import warnings
from functools import cache
from pathlib import Path

import pytest
import torch

from zslearn.nn._kernels import choose
from zslearn.nn._native import _build, _library, library, why_not
from zslearn.nn._native._build import BuildError, build, find_compiler
from zslearn.nn._semantic_attention import _SemanticAttention, attend

PROJECT = Path(__file__).parents[2]
AS_ROOT = _build.os.geteuid() == 0

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="compilers here are shell scripts")

# Puts what it was given, all but the path of the result, into the result.
WRITES = 'for last; do :; done\necho run >> "$0.log"\necho "$*" | sed "s| -o .*||" > "$last"\n'
FAILS = (
    'echo run >> "$0.log"\necho "a.c: In function f:" >&2\necho "a.c:1: error: no" >&2\nexit 1\n'
)


@pytest.fixture
def script(tmp_path):
    """Make a compiler, of a name and what it does."""

    def make(body, name="compiler", folder="bin"):
        path = tmp_path / folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{body}")
        path.chmod(0o755)
        return path

    return make


@pytest.fixture
def fresh(monkeypatch, tmp_path):
    """Nothing is built or tried yet, on a processor that has all that is needed."""
    monkeypatch.delenv(_library.VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(_library, "_load_once", cache(_library._load_once.__wrapped__))
    monkeypatch.setattr(_library, "_processor_flags", lambda: frozenset(_library._NEEDED))


def runs_of(path):
    log = path.with_name(path.name + ".log")
    return len(log.read_text().splitlines()) if log.exists() else 0


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_compiles_once(script, tmp_path):
    compiler, folder = script(WRITES), tmp_path / "new" / "native"
    first = build([str(compiler), "-m64"], folder)
    assert list(folder.iterdir()) == [first]
    assert mode_of(folder) == 0o700
    given = first.read_text().split()
    assert given[0] == "-m64"
    assert set(_build._FLAGS) < set(given)
    names = [Path(word).name for word in given if word.endswith((".c", ".h"))]
    assert names == sorted(path.name for path in _build._SOURCES.glob("*.c"))
    script(FAILS)
    assert build([str(compiler), "-m64"], folder) == first
    assert runs_of(compiler) == 1


def test_what_the_library_depends_on(script, tmp_path, monkeypatch):
    one, other = script(WRITES), script(WRITES, "other")
    found = [build([str(one)], tmp_path / "a"), build([str(other)], tmp_path / "a")]
    found.append(build([str(one), "-O1"], tmp_path / "a"))
    monkeypatch.setattr(_build, "_FLAGS", [*_build._FLAGS, "-g"])
    found.append(build([str(one)], tmp_path / "a"))
    copies = tmp_path / "sources"
    shutil.copytree(_build._SOURCES, copies)
    monkeypatch.setattr(_build, "_SOURCES", copies)
    assert build([str(one)], tmp_path / "a") == found[-1]  # wherever they lie
    for name in ("products.h", "passes.c"):
        with (copies / name).open("a") as file:
            file.write("\n")
        found.append(build([str(one)], tmp_path / "a"))
    (copies / "passes.c").rename(copies / "renamed.c")
    found.append(build([str(one)], tmp_path / "a"))
    assert len(set(found)) == 7
    assert set((tmp_path / "a").iterdir()) == set(found)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (FAILS, "a.c:1: error: no"),
        ("echo odd >&2\nexit 1\n", "odd"),
        ("exit 3\n", "exit status 3"),
        (f"{WRITES}kill -9 $$\n", "exit status -9"),
    ],
)
def test_failing_compiler(script, tmp_path, body, said):
    compiler = script(body)
    with pytest.raises(BuildError, match=f"^{compiler} -m64 fails: {said}$"):
        build([str(compiler), "-m64"], tmp_path / "a")
    assert list((tmp_path / "a").iterdir()) == []
    assert build([str(script(WRITES))], tmp_path / "a").exists()  # the next may succeed


def test_compiler_that_hangs(script, tmp_path, monkeypatch):
    monkeypatch.setattr(_build, "_SECONDS", 0.2)
    with pytest.raises(BuildError, match="takes more than 0.2 s"):
        build([str(script(f"{WRITES}exec sleep 9\n"))], tmp_path / "a")
    assert list((tmp_path / "a").iterdir()) == []


def test_compiler_that_is_gone(tmp_path):
    with pytest.raises(BuildError, match="FileNotFoundError: .*no-such-compiler"):
        build(["no-such-compiler"], tmp_path / "a")
    assert list((tmp_path / "a").iterdir()) == []


@pytest.mark.parametrize("mode", [0o720, 0o702, 0o777])
def test_what_others_may_write_is_refused(script, tmp_path, monkeypatch, mode):
    compiler, folder = script(WRITES), tmp_path / "a"
    library_ = build([str(compiler)], folder)
    for path in (folder, library_):
        path.chmod(mode)
        with pytest.raises(BuildError, match=f"{path} can be written by others"):
            build([str(compiler)], folder)
        path.chmod(0o755)  # others may read
        assert build([str(compiler)], folder) == library_
    monkeypatch.setattr(_build.os, "geteuid", lambda: folder.stat().st_uid + 1)
    with pytest.raises(BuildError, match=f"{folder} can be written by others"):
        build([str(compiler)], folder)


def test_linker_that_makes_the_file_anew(script, tmp_path):
    """With the modes of a user whose group may write: the next process must not refuse it."""
    compiler = script(
        f'{WRITES}mv "$last" "$last.new"\nchmod 775 "$last.new"\nmv "$last.new" "$last"'
    )
    found = build([str(compiler)], tmp_path / "a")
    assert build([str(compiler)], tmp_path / "a") == found
    assert not mode_of(found) & 0o022


def test_folder_that_cannot_be_made(script, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(BuildError, match="NotADirectoryError: .*file"):
        build([str(script(WRITES))], tmp_path / "file" / "native")


@pytest.mark.skipif(AS_ROOT, reason="root writes everywhere")
def test_folder_that_cannot_be_written(script, tmp_path):
    (tmp_path / "a").mkdir(mode=0o500)
    with pytest.raises(BuildError, match="PermissionError"):
        build([str(script(WRITES))], tmp_path / "a")


def test_folder_of_the_user(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert _build._cache() == tmp_path / "zslearn" / "native"
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    expected = tmp_path / "home" / ".cache" / "zslearn" / "native"
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    assert _build._cache() == expected
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert _build._cache() == expected


def test_user_without_a_home(monkeypatch, script):
    """As in a container that is run under any number of a user."""

    def fail(path):
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "expanduser", fail)
    with pytest.raises(BuildError, match="home directory. Set XDG_CACHE_HOME"):
        build([str(script(WRITES))])


def test_two_processes_at_once(script, tmp_path):
    slow = WRITES.replace("echo run", "sleep 0.5\necho run") + 'echo whole >> "$last"\n'
    compiler, folder = script(slow), tmp_path / "a"
    code = (
        "import pathlib, runpy, sys\n"
        "build = runpy.run_path(sys.argv[1])['build']\n"
        "print(build([sys.argv[2]], pathlib.Path(sys.argv[3])).read_text().split()[-1])\n"
    )
    command = [sys.executable, "-c", code, _build.__file__, str(compiler), str(folder)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.communicate(timeout=60)[0] for process in both] == ["whole\n", "whole\n"]
    assert len(list(folder.iterdir())) == 1
    assert runs_of(compiler) == 2


def test_which_compiler(script, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv("CC", raising=False)
    assert find_compiler() == []
    for name in ("clang", "gcc", "cc"):
        script(WRITES, name)
        assert find_compiler() == [name]
    monkeypatch.setenv("CC", "gcc -m64 '-DA=b c'")
    assert find_compiler() == ["gcc", "-m64", "-DA=b c"]
    path = script(WRITES, "elsewhere", folder="of mine")
    monkeypatch.setenv("CC", f"'{path}' -O1")
    assert find_compiler() == [str(path), "-O1"]
    for missing in ("no-such-compiler -O1", "", " "):
        monkeypatch.setenv("CC", missing)
        assert find_compiler() == ["cc"]


@pytest.mark.skipif(library() is None, reason=why_not() or "there is compiled code")
def test_library_is_built_and_serves(fresh, tmp_path):
    found = library()
    assert found.path.parent == tmp_path / "cache" / "zslearn" / "native"
    assert found.size("n_panels", 33) == 2
    assert library() is found
    assert why_not() == ""


def test_switched_off(fresh, script, monkeypatch):
    compiler = script(WRITES)
    monkeypatch.setenv("CC", str(compiler))
    monkeypatch.setenv("ZSLEARN_NATIVE", "0")
    assert library() is None
    assert why_not() == "ZSLEARN_NATIVE is 0"
    assert runs_of(compiler) == 0


def test_who_multiplies(fresh, script, monkeypatch):
    made = []
    monkeypatch.setenv("CC", str(script(WRITES)))
    monkeypatch.setattr(_library, "Library", lambda *arguments: made.append(arguments) or "made")
    for flags in (_library._NEEDED, _library._NEEDED | {"amx_bf16"}):
        monkeypatch.setattr(_library, "_processor_flags", lambda flags=flags: frozenset(flags))
        _library._load_once.cache_clear()
        assert library() == "made"
    assert [multiplies for _, multiplies in made] == [True, False]


@pytest.mark.parametrize("lacking", ["processor", "compiler"])
def test_done_without_in_silence(fresh, script, monkeypatch, lacking):
    compiler = script(WRITES, "cc")
    if lacking == "processor":
        monkeypatch.setenv("CC", str(compiler))
        flags = frozenset(_library._NEEDED - {"avx512_bf16", "avx512vl"})
        monkeypatch.setattr(_library, "_processor_flags", lambda: flags)
        reason = "the processor lacks avx512_bf16, avx512vl, or this is no Linux"
    else:
        monkeypatch.setenv("PATH", "")
        monkeypatch.delenv("CC", raising=False)
        reason = "there is no C compiler (cc, gcc, clang or the variable CC)"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert library() is None
        assert why_not() == reason
    assert runs_of(compiler) == 0


def test_flags_of_this_processor(monkeypatch):
    flags_of = _library._processor_flags.__wrapped__
    if sys.platform.startswith("linux") and _library.os.uname().machine == "x86_64":
        assert {"fpu", "sse2"} < flags_of()
    monkeypatch.setattr(sys, "platform", "darwin")
    assert flags_of() == frozenset()


@pytest.mark.parametrize("failure", ["fails", "builds no library"])
def test_plain_torch_takes_its_place(fresh, script, monkeypatch, failure):
    compiler = script(FAILS if failure == "fails" else WRITES)
    monkeypatch.setenv("CC", str(compiler))
    generator = torch.Generator().manual_seed(0)
    regions = torch.randn(2, 16, 512, generator=generator).bfloat16()
    weights = torch.randn(6, 512, generator=generator)
    with pytest.warns(RuntimeWarning, match="ZSLEARN_NATIVE=0") as caught:
        semantics = [attend(regions, weights) for _ in range(2)]
    assert len(caught) == 1
    assert "compiled code of zslearn is not used: " in str(caught[0].message)
    assert runs_of(compiler) == 1
    assert choose(regions, weights).name == "torch"
    for found in semantics:
        assert torch.equal(found, _SemanticAttention.apply(regions, weights))
    assert library() is None
    assert why_not() in str(caught[0].message)
    assert runs_of(compiler) == 1


def test_sources_are_in_the_wheel():
    """Hatchling takes all files of a package, unless told otherwise or where git ignores them."""
    names = {path.name for path in _build._SOURCES.glob("*.[ch]")}
    assert {"attention.c", "products.h"} < names
    assert _build._SOURCES.name == "_native"
    if not (PROJECT / "pyproject.toml").exists():
        pytest.skip("the package is installed without its project")
    hatch = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["hatch"]
    assert hatch["build"] == {
        "targets": {
            "wheel": {"packages": ["zslearn"]},
            "sdist": {"include": hatch["build"]["targets"]["sdist"]["include"]},
        }
    }
    assert "zslearn" in hatch["build"]["targets"]["sdist"]["include"]
    if (PROJECT / ".gitignore").exists():
        ignored = (PROJECT / ".gitignore").read_text().split()
        assert not [pattern for pattern in ignored if pattern.endswith((".c", ".h", "_native"))]
