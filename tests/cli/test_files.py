"""Files that commands write appear whole or not at all."""

import stat
from pathlib import Path

import pytest

from zslearn._cli._files import whole_file, write_atomically


def test_a_file_that_fails_leaves_what_was_there(tmp_path):
    path = tmp_path / "results.json"
    path.write_text("before")

    def fail():
        with whole_file(path) as name:
            assert name.suffix == ".json"
            name.write_text("half")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        fail()
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_stays_one_and_modes_are_usual(tmp_path):
    usual, target, link = (tmp_path / name for name in ("usual", "target", "link"))
    usual.write_text("as any program writes it")
    link.symlink_to(target)
    write_atomically(link, "first")
    write_atomically(link, "second\n")
    assert link.is_symlink()
    assert target.read_bytes() == b"second\n"
    assert stat.S_IMODE(target.stat().st_mode) == stat.S_IMODE(usual.stat().st_mode)


@pytest.mark.skipif(not Path("/dev/null").exists(), reason="there is no null device")
def test_what_is_no_regular_file_is_written_to():
    write_atomically(Path("/dev/null"), "gone")
    assert Path("/dev/null").is_char_device()
