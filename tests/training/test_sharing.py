"""Fits side by side share threads and take turns on an accelerator."""

import itertools
import multiprocessing
import threading
import time

import joblib
import numpy as np
import pytest
import torch
from sklearn.model_selection import cross_val_score

from zslearn import CVsCClassifier
from zslearn._training import _sharing
from zslearn._training._sharing import SHARE_VARIABLE, ThreadShare, take_turn

GPU = torch.device("cuda", 0)


def most_at_once(n, device):
    """The most threads that were inside `take_turn` at one time."""
    inside, most, lock = 0, 0, threading.Lock()

    def visit():
        nonlocal inside, most
        with take_turn(device):
            with lock:
                inside += 1
                most = max(most, inside)
            time.sleep(0.05)
            with lock:
                inside -= 1

    threads = [threading.Thread(target=visit) for _ in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return most


def test_threads_take_turns_on_an_accelerator(monkeypatch):
    assert most_at_once(3, GPU) == 1
    assert most_at_once(3, torch.device("cpu")) == 3
    monkeypatch.setenv(SHARE_VARIABLE, "1")
    assert most_at_once(3, GPU) == 3
    monkeypatch.setenv(SHARE_VARIABLE, "0")
    assert most_at_once(3, GPU) == 1


def hold(path, device):
    """In a worker process: note when the turn began and ended."""
    from zslearn._training._sharing import take_turn

    with take_turn(torch.device(device)):
        began = time.monotonic()
        time.sleep(0.2)
        ended = time.monotonic()
    path.write_text(f"{began} {ended}")


@pytest.mark.skipif(_sharing.fcntl is None, reason="no file locks on this platform")
def test_worker_processes_take_turns(tmp_path):
    spawn = multiprocessing.get_context("fork")
    paths = [tmp_path / str(i) for i in range(3)]
    workers = [spawn.Process(target=hold, args=(path, "cuda:0")) for path in paths]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    turns = sorted([tuple(map(float, path.read_text().split())) for path in paths])
    for (_, ended), (began, _) in itertools.pairwise(turns):
        assert began >= ended


def count_threads(share, seen, barrier):
    share.on_train_begin(net=None)
    barrier.wait(10)
    share.on_epoch_begin(net=None)
    seen.append(torch.get_num_threads())
    barrier.wait(10)
    share.leave()


def test_threads_are_divided_among_fits_in_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        seen, barrier = [], threading.Barrier(2)
        with joblib.parallel_config(backend="threading"):
            joblib.Parallel(n_jobs=2)(
                joblib.delayed(count_threads)(ThreadShare(), seen, barrier) for _ in range(2)
            )
        assert seen == [2, 2]
        assert ThreadShare._active == 0
        assert torch.get_num_threads() == 4
        alone = ThreadShare()
        alone.on_train_begin(net=None)
        assert not alone.sharing
    finally:
        torch.set_num_threads(before)


def test_fits_in_threads_restore_the_threads_and_equal_serial_ones():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 6)), np.arange(40) % 4
    clf = CVsCClassifier(max_epochs=2, random_state=0, attribute_dim=8)
    before = torch.get_num_threads()
    serial = cross_val_score(clf, X, y, cv=2)
    with joblib.parallel_config(backend="threading"):
        threads = cross_val_score(clf, X, y, cv=2, n_jobs=2)
    np.testing.assert_array_equal(serial, threads)
    assert torch.get_num_threads() == before
    assert ThreadShare._active == 0


def test_threads_are_given_back_after_a_failure():
    X = np.full((8, 3), np.nan)
    with joblib.parallel_config(backend="threading"), pytest.raises(ValueError, match="NaN"):
        cross_val_score(
            CVsCClassifier(max_epochs=1), X, np.arange(8) % 2, cv=2, n_jobs=2, error_score="raise"
        )
    assert ThreadShare._active == 0
