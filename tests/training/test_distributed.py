"""Two processes train what one does; what cannot be divided, or fails, ends all with an error."""

import importlib.util
import multiprocessing
import os
import pickle
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import zslearn
from zslearn.model_selection import data_parallel

sys.path.insert(0, str(Path(__file__).parent))
import distributed_worker as worker

ROOT = Path(zslearn.__file__).resolve().parents[1]
# Weights are of order 1, after about 20 steps in float32.
ATOL = 5e-6
SILENT = "process 1 was ended or does not answer, and left no word why"
OTHERS = [name for name in worker.estimators() if name not in worker.SOME]
TORCHRUN = ["torch.distributed.run", "--standalone", "--nproc-per-node=2"]
ACCELERATE = ["accelerate.commands.launch", "--num_processes=2", "--num_machines=1", "--multi_gpu"]
ACCELERATE += ["--mixed_precision=no", "--dynamo_backend=no", "--main_process_port=0"]
needs_accelerate = pytest.mark.skipif(
    importlib.util.find_spec("accelerate") is None, reason="accelerate is not installed"
)
LAUNCHERS = [
    pytest.param(TORCHRUN, id="torchrun"),
    pytest.param(ACCELERATE, id="accelerate", marks=needs_accelerate),
]


def written(folder, case, rank):
    """What a process wrote."""
    return pickle.loads((folder / f"{case}{rank}.pkl").read_bytes())


def in_two_processes(folder, *cases):
    """Run cases in two processes of a script; how they ended."""
    context = multiprocessing.get_context("fork" if hasattr(os, "fork") else "spawn")
    address = {"init_method": f"file://{folder}/address", "world_size": 2}
    started = [
        context.Process(target=worker.main, args=(folder, cases), kwargs=address | {"rank": rank})
        for rank in (0, 1)
    ]
    try:
        for one in started:
            one.start()
        for one in started:
            one.join(200)
    finally:
        for one in started:
            one.kill()
    return [one.exitcode for one in started]


def launched(launcher, folder, *cases):
    """Run cases in two processes that a launcher starts."""
    return subprocess.run(
        [sys.executable, "-m", *launcher, worker.__file__, folder, *cases],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=200,
    )


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    """A folder of what came of cases in two processes, and how these ended."""
    folder = tmp_path_factory.mktemp("together")
    cases = (worker.some_fits, worker.refusals, worker.death)
    return folder, in_two_processes(folder, *cases)


@pytest.fixture(scope="module")
def others(tmp_path_factory):
    """A folder of what the other estimators learned in two processes."""
    folder = tmp_path_factory.mktemp("others")
    assert in_two_processes(folder, worker.other_fits) == [0, 0]
    return folder


def assert_learned_alike(folder, case, name):
    """Compare what two processes learned with what this one does."""
    first, second = (written(folder, case, rank)[name] for rank in (0, 1))
    alone = worker.fitted([name])[name]
    for weight, value in alone["weights"].items():
        np.testing.assert_allclose(first["weights"][weight], value, rtol=0, atol=ATOL)
        np.testing.assert_array_equal(second["weights"][weight], first["weights"][weight])
    most = np.abs(alone["losses"]).max()
    np.testing.assert_allclose(first["losses"], alone["losses"], rtol=0, atol=2e-6 * most)
    np.testing.assert_array_equal(second["scores"], first["scores"])


@pytest.mark.parametrize("name", worker.SOME)
def test_two_processes_learn_what_one_does(together, name):
    assert_learned_alike(together[0], "some_fits", name)


@pytest.mark.slow
@pytest.mark.parametrize("name", OTHERS)
def test_two_processes_learn_what_one_does_with_other_methods(others, name):
    assert_learned_alike(others, "other_fits", name)


@pytest.mark.parametrize("name", ["cvsc", "fvaegan", "vitzsl"])
def test_training_moves_weights_by_far_more_than_the_tolerance(name):
    X, y, table = worker.samples_of(name)
    clf = worker.estimators()[name].set_params(max_epochs=1, learning_rate=1e-12)
    start = clf.fit(X, y, table).net_.module_
    trained = worker.fitted([name])[name]["weights"]
    moved = [np.abs(v.detach().numpy() - trained[one]).max() for one, v in start.named_parameters()]
    assert max(moved) > 1000 * ATOL


@pytest.mark.slow
@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_launchers_start_what_learns_as_one_process_does(launcher, tmp_path):
    ran = launched(launcher, tmp_path, "launched")
    assert ran.returncode == 0, ran.stderr
    assert_learned_alike(tmp_path, "launched", "cvsc")
    # An initialised group alone changes nothing.
    alone = worker.fitted(["cvsc"])["cvsc"]["weights"]
    for rank in (0, 1):
        found = written(tmp_path, "launched", rank)["initialised"]["weights"]
        for name, value in alone.items():
            np.testing.assert_array_equal(found[name], value)
    # The first process prints.
    assert (
        len([line for line in ran.stdout.splitlines() if line.split()[:1] in (["1"], ["4"])]) == 2
    )


@pytest.mark.slow
@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_launchers_end_all_where_one_fails(launcher, tmp_path):
    ran = launched(launcher, tmp_path, "fails")
    assert ran.returncode != 0
    assert "ValueError: Input X contains NaN" in ran.stderr


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("other_seed", "ValueError: .* disagree in the random seed \\(give random_state an int"),
        ("other_table", "ValueError: .* disagree in the class table or the weights: call fit"),
        ("other_labels", "ValueError: .* disagree in the labels: call fit"),
        ("other_optimizer", "ValueError: .* disagree in the optimiser: call fit"),
        ("undivided", "ValueError: HSVALearner .* its networks standardise by the batch they see"),
        ("small_batch", "ValueError: a batch has 1 samples, too few to divide among 2 processes"),
    ],
)
def test_what_cannot_be_divided_is_refused_in_all(together, name, message):
    for rank in (0, 1):
        assert re.match(message, written(together[0], "refusals", rank)[name])


def test_an_error_in_one_ends_all_and_is_told(together):
    first, second = (written(together[0], "refusals", rank)["failed"] for rank in (0, 1))
    assert second.startswith("ValueError: Input X contains NaN")
    assert first.startswith(
        "OthersFailedError: process 0 of 2 (counted from 0) ends its training: process 1 failed "
        "with ValueError: Input X contains NaN"
    )


def test_a_process_that_dies_ends_all_and_is_named(together):
    assert written(together[0], "death", 0).endswith(SILENT)


@pytest.mark.slow
def test_a_process_that_hangs_ends_all_and_is_named(tmp_path):
    assert in_two_processes(tmp_path, worker.hang) == [0, 0]
    assert written(tmp_path, "hang", 0).endswith(SILENT)


def test_how_processes_end(together):
    assert together[1] == [0, 7]


def test_without_a_group_there_is_an_error():
    with pytest.raises(RuntimeError, match="found no process group"), data_parallel():
        pass


@pytest.mark.parametrize("timeout", [0, -1.0, float("nan")])
def test_a_timeout_is_above_zero(timeout):
    with pytest.raises(ValueError, match="timeout must be seconds above 0"):
        data_parallel(timeout).__enter__()
