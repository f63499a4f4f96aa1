"""Two processes train what one does; what cannot be divided, or fails, ends all with an error."""

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
from zslearn import CVsCClassifier
from zslearn.model_selection import data_parallel

sys.path.insert(0, str(Path(__file__).parent))
import distributed_worker as worker

ROOT = Path(zslearn.__file__).resolve().parents[1]
# Weights are of order 1, after about 20 steps in float32.
ATOL = 5e-6


def written(folder, case, rank):
    """What a process wrote."""
    return pickle.loads((folder / f"{case}{rank}.pkl").read_bytes())


@pytest.fixture(scope="module")
def fits(tmp_path_factory):
    """What two processes of torchrun learned, and what they printed."""
    folder = tmp_path_factory.mktemp("fits")
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    ran = subprocess.run(
        [*launcher, worker.__file__, folder],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert ran.returncode == 0, ran.stderr
    return [written(folder, "fits", rank) for rank in (0, 1)], ran.stdout


@pytest.fixture(scope="module")
def errors(tmp_path_factory):
    """Errors in two processes of a script, by what is wrong, and how they ended."""
    folder = tmp_path_factory.mktemp("errors")
    context = multiprocessing.get_context("fork" if hasattr(os, "fork") else "spawn")
    address = {"init_method": f"file://{folder}/address", "world_size": 2}
    started = [
        context.Process(
            target=worker.main,
            args=(folder, [worker.refusals, worker.death]),
            kwargs=address | {"rank": rank},
        )
        for rank in (0, 1)
    ]
    try:
        for one in started:
            one.start()
        for one in started:
            one.join(100)
    finally:
        for one in started:
            one.kill()
    return folder, [one.exitcode for one in started]


@pytest.fixture(scope="module")
def alone():
    """What one process learns."""
    return worker.fitted()


@pytest.mark.parametrize("name", list(worker.estimators()))
def test_two_processes_learn_what_one_does(fits, alone, name):
    (first, second), _ = fits
    for weight, value in alone[name]["weights"].items():
        np.testing.assert_allclose(first[name]["weights"][weight], value, rtol=0, atol=ATOL)
        np.testing.assert_array_equal(
            second[name]["weights"][weight], first[name]["weights"][weight]
        )
    np.testing.assert_allclose(first[name]["losses"], alone[name]["losses"], rtol=1e-6)
    np.testing.assert_array_equal(second[name]["scores"], first[name]["scores"])


def test_training_moves_weights_by_far_more_than_the_tolerance(alone):
    untrained = CVsCClassifier(**worker.SETTINGS | {"learning_rate": 1e-12}).fit(*worker.problem())
    for name, value in untrained.net_.module_.named_parameters():
        moved = np.abs(value.detach().numpy() - alone["cvsc"]["weights"][name])
        assert np.median(moved) > 1000 * ATOL


def test_an_initialised_group_alone_changes_nothing(fits, alone):
    for found in fits[0]:
        for name, value in alone["cvsc"]["weights"].items():
            np.testing.assert_array_equal(found["initialised"]["weights"][name], value)


def test_the_first_process_prints(fits):
    lines = [line for line in fits[1].splitlines() if line.split()[:1] in (["1"], ["4"])]
    assert len(lines) == 2


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("other_seed", "ValueError: .* disagree in the random seed \\(give random_state an int"),
        ("other_table", "ValueError: .* disagree in the class table or the weights: call fit"),
        ("other_labels", "ValueError: .* disagree in the labels: call fit"),
        ("other_optimizer", "ValueError: .* disagree in the optimiser: call fit"),
        ("undivided", "ValueError: MSDNLearner cannot be trained in several processes"),
        ("small_batch", "ValueError: a batch has 1 samples, too few to divide among 2 processes"),
    ],
)
def test_what_cannot_be_divided_is_refused_in_all(errors, name, message):
    for rank in (0, 1):
        assert re.match(message, written(errors[0], "refusals", rank)[name])


def test_an_error_in_one_ends_all(errors):
    first, second = (written(errors[0], "refusals", rank)["failed"] for rank in (0, 1))
    assert second.startswith("ValueError: Input X contains NaN")
    assert first.startswith("RuntimeError: process 0 of 2 (counted from 0) ends its training")


def test_a_process_that_dies_ends_all(errors):
    folder, codes = errors
    assert codes == [0, 7]
    said = written(folder, "death", 0)
    assert said.endswith("another process failed or ended, and its own error says why")


def test_without_a_group_there_is_an_error():
    with pytest.raises(RuntimeError, match="found no process group"), data_parallel():
        pass
