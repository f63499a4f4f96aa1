"""Fits side by side share threads and take turns on an accelerator."""

import itertools
import multiprocessing
import os
import subprocess
import sys
import threading
import time

import joblib
import numpy as np
import pytest
import torch
from sklearn.model_selection import cross_val_score
from skorch.callbacks import Callback

from zslearn import ClassAttributes, CVsCClassifier
from zslearn._training import _estimator, _held_out, _sharing
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


def test_a_turn_within_a_turn_is_the_same():
    with take_turn(GPU):
        with take_turn(GPU):
            pass
        assert not _sharing._turns[GPU].acquire(blocking=False), "the inner one gave it back"
    assert _sharing._turns[GPU].acquire(blocking=False)
    _sharing._turns[GPU].release()


class Properties:
    uuid = "c0ffee"


def test_cards_are_told_apart_by_their_own_name(monkeypatch):
    assert _sharing._card(torch.device("mps")) == "mps0"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: Properties)
    assert _sharing._card(GPU) == "cuda-c0ffee"

    def fail(device):
        raise RuntimeError("Cannot re-initialize CUDA in forked subprocess")

    monkeypatch.setattr(torch.cuda, "get_device_properties", fail)
    assert _sharing._card(GPU) == "cuda0"


@pytest.mark.parametrize("early_stopping", [False, True])
def test_the_copy_of_the_regions_is_made_in_turn(monkeypatch, early_stopping):
    made_in_turn = []
    make = CVsCClassifier._rows

    def watch(self, *args, **kwargs):
        if kwargs:  # for training
            made_in_turn.append(GPU in _sharing._mine.__dict__.get("held", ()))
        return make(self, *args, **kwargs)

    monkeypatch.setattr(CVsCClassifier, "_rows", watch)
    on_card = _estimator.take_turn
    for module in (_estimator, _held_out):
        monkeypatch.setattr(module, "take_turn", lambda device: on_card(GPU))
    X, y = np.random.default_rng(0).normal(size=(60, 2, 5)), np.arange(60) % 6
    table = ClassAttributes(np.eye(6) + 0.1)
    clf = CVsCClassifier(max_epochs=2, head="own", early_stopping=early_stopping)
    clf.fit(X, y, class_attributes=table)
    assert made_in_turn == [True] * (3 if early_stopping else 1)
    assert not _sharing._mine.held


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
    clf = CVsCClassifier(max_epochs=2, random_state=0)
    before = torch.get_num_threads()
    serial = cross_val_score(clf, X, y, cv=2)
    with joblib.parallel_config(backend="threading"):
        threads = cross_val_score(clf, X, y, cv=2, n_jobs=2)
    np.testing.assert_array_equal(serial, threads)
    assert torch.get_num_threads() == before
    assert ThreadShare._active == 0


class Threads(Callback):
    """Notes their number while it trains."""

    seen = []

    def on_epoch_end(self, net, **kwargs):
        self.seen.append(torch.get_num_threads())


@pytest.mark.parametrize(("n_features", "expected"), [(8, 1), (12_000, 3)])
def test_a_small_problem_takes_one_thread(monkeypatch, n_features, expected):
    """Barriers of several cost more than they save, most of all on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    monkeypatch.setattr(Threads, "seen", [])
    try:
        rng = np.random.default_rng(0)
        X, y = rng.normal(size=(60, 1, n_features)).astype(np.float32), np.arange(60) % 6
        values = rng.uniform(0.1, 1, (8, 60))
        clf = CVsCClassifier(head="own", max_epochs=2, batch_size=50, callbacks=[Threads()])
        clf.fit(X, y, class_attributes=ClassAttributes(values))
        assert Threads.seen == [expected] * 2
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_a_forked_child_predicts_and_fits():
    """The threads of the parent are not there to wait for."""
    code = """if True:
        import os, sys, numpy as np, torch
        from zslearn import CVsCClassifier
        torch.set_num_threads(2)
        rng = np.random.default_rng(0)
        X, y = rng.normal(size=(400, 4, 2000)), np.arange(400) % 4
        clf = CVsCClassifier(max_epochs=1, precision="float32", random_state=0).fit(X, y)
        expected = clf.decision_function(X)
        child = os.fork()
        if child == 0:
            found = clf.decision_function(X)
            clf.fit(X, y)
            os._exit(0 if np.allclose(found, expected, atol=1e-4) else 3)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout.strip() == "0"


def test_threads_are_given_back_after_a_failure():
    X = np.full((8, 3), np.nan)
    with joblib.parallel_config(backend="threading"), pytest.raises(ValueError, match="NaN"):
        cross_val_score(
            CVsCClassifier(max_epochs=1), X, np.arange(8) % 2, cv=2, n_jobs=2, error_score="raise"
        )
    assert ThreadShare._active == 0
