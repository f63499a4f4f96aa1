"""A small problem on disk in the forms the command line reads."""

import importlib.util
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from zslearn._cli import main


@pytest.fixture
def zslearn(capsys):
    """Run the command line; exit code, what it printed and what it said."""

    def run(*arguments):
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return SimpleNamespace(code=code, out=out, err=err)

    return run


@pytest.fixture
def problem(tmp_path):
    """Ten classes whose features are their attributes plus noise: .npy, labels, CSV, split."""
    rng = np.random.default_rng(0)
    names = np.array([f"class {c}" for c in range(10)])
    table = rng.random((10, 6))
    y = np.repeat(np.arange(10), 12)
    mixing = rng.normal(size=(6, 16))
    X = (table[y] @ mixing)[:, None] + 0.05 * rng.normal(size=(120, 2, 16))
    np.save(tmp_path / "X.npy", X.astype(np.float16))
    (tmp_path / "labels.txt").write_text("\n".join(names[y]) + "\n")
    rows = [",".join([name, *map(str, row)]) for name, row in zip(names, table, strict=True)]
    header = "class," + ",".join(f"attribute {k}" for k in range(6))
    (tmp_path / "classes.csv").write_text("\n".join([header, *rows]) + "\n")
    unseen = y >= 7
    held_out = ~unseen & (np.arange(120) % 4 == 0)
    split = {
        "trainval": np.flatnonzero(~unseen & ~held_out),
        "test_seen": np.flatnonzero(held_out),
        "test_unseen": np.flatnonzero(unseen),
    }
    np.savez(tmp_path / "split.npz", **split)
    return SimpleNamespace(
        folder=tmp_path, X=X.astype(np.float16), y=names[y], names=names, table=table, split=split
    )


@pytest.fixture
def write_benchmark():
    """Write a generated benchmark in its official layout: write_benchmark(name, root)."""
    here = Path(__file__).parent
    layouts = load_file(here.parent / "datasets" / "official_layouts.py")
    generated = load_file(here / "benchmark_layouts.py")
    return lambda name, root: generated.write_benchmark(layouts, name, root)


def load_file(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
