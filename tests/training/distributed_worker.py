"""What each process of the tests of training in several processes runs."""

import os
import pickle
import sys
from pathlib import Path

import numpy as np
import torch.distributed as dist
from skorch.callbacks import Callback

from zslearn import CADAVAEClassifier, CVsCClassifier, DAZLEClassifier, MSDNClassifier
from zslearn.attention import CVsCObjective
from zslearn.model_selection import HeldOutStopping, data_parallel

SETTINGS = {"device": "cpu", "precision": "float32", "random_state": 0, "max_epochs": 4}
# Batches of 11 and 10 samples: the shares are not of equal size.
SETTINGS["batch_size"] = 11


def problem():
    """Regions, some of them padding, labels of the seen classes, and a table with two unseen."""
    rng = np.random.default_rng(0)
    table = rng.random((7, 6)).astype(np.float32)
    y = np.arange(53) % 5
    X = rng.normal(size=(53, 4, 9)).astype(np.float32)
    X[..., :6] += table[y][:, None]
    X[:, 1:][rng.random((53, 3)) < 0.1] = 0
    return X, y, table


def estimators():
    """What is fitted, by name."""
    uneven = {"class_weight": {0: 3.0}}
    # Unlike that of the other optimisers, its step shows the size of the gradient.
    plain = {"optimizer": "sgd", "learning_rate": 0.1}
    few = {"encoder_dims": (12, 10), "decoder_dims": (14, 8), "latent_dim": 4, "n_synthetic": 20}
    return {
        "cvsc": CVsCClassifier(**SETTINGS),
        "cvsc_weighed": CVsCClassifier(**SETTINGS, **uneven, objective="released"),
        "cvsc_uniform": CVsCClassifier(
            **SETTINGS, objective=CVsCObjective(counterfactual="uniform"), head="own"
        ),
        "cvsc_stopped": CVsCClassifier(
            **SETTINGS, early_stopping=HeldOutStopping(validation_fraction=0.4)
        ),
        "dazle": DAZLEClassifier(**SETTINGS, **uneven, **plain, gradient_clip=1.0),
        "dazle_balanced": DAZLEClassifier(**SETTINGS, batch_sampling="balanced"),
        "cada_vae": CADAVAEClassifier(**SETTINGS, **few, **plain | {"learning_rate": 1e-3}),
    }


def samples_of(name):
    """What an estimator of a name is fitted to."""
    X, y, table = problem()
    return (X[:, 0] if name == "cada_vae" else X), y, table


def fitted():
    """What was learned by all estimators, by name."""
    found = {}
    for name, clf in estimators().items():
        X, y, table = samples_of(name)
        learner = clf.fit(X, y, table).net_.module_
        found[name] = {
            "weights": {n: v.detach().numpy() for n, v in learner.named_parameters()},
            "losses": np.array([epoch["train_loss"] for epoch in clf.net_.history]),
            "scores": clf.decision_function(X),
        }
    return found


def refusals(rank):
    """What a fit raises, in this process, by what is wrong with it."""
    X, y, table = problem()
    broken = X.copy()
    broken[0, 0, 0] = np.nan
    fits = {
        "other_seed": (CVsCClassifier(**SETTINGS | {"random_state": rank}), X, y, table),
        "other_table": (CVsCClassifier(**SETTINGS), X, y, table + rank),
        "other_labels": (CVsCClassifier(**SETTINGS), X, np.roll(y, 5 * rank + rank), table),
        "other_optimizer": (
            CVsCClassifier(**SETTINGS, optimizer=("adam", "sgd")[rank]),
            X,
            y,
            table,
        ),
        "undivided": (MSDNClassifier(**SETTINGS), X, y, table),
        "small_batch": (CVsCClassifier(**SETTINGS | {"batch_size": 1}), X, y, table),
        "failed": (CVsCClassifier(**SETTINGS), broken if rank else X, y, table),
    }
    found = {}
    for name, (clf, *samples) in fits.items():
        try:
            with data_parallel():
                clf.fit(*samples)
        except (RuntimeError, ValueError) as error:
            found[name] = f"{type(error).__name__}: {error}"
        dist.barrier()
    return found


class Leave(Callback):
    """Ends the process in the second epoch, without a word."""

    watches_batches = False

    def on_epoch_end(self, net, **kwargs):
        """Leave."""
        if len(net.history) == 2:
            os._exit(7)


def death(rank):
    """What a fit raises in this process when the other one ends without a word."""
    try:
        with data_parallel():
            CVsCClassifier(**SETTINGS, callbacks=[Leave()] if rank else None).fit(*problem())
    except RuntimeError as error:
        return f"RuntimeError: {error}"
    return "nothing"


def fits(rank):
    """What is learned in an initialised group, without and with dividing batches."""
    found = {"initialised": fitted()["cvsc"]}
    with data_parallel():
        found |= fitted()
        CVsCClassifier(**SETTINGS, verbose=1).fit(*problem())
    return found


def main(folder, cases, **address):
    """Run some cases in one of the processes, and write what comes of them."""
    dist.init_process_group("gloo", **address)
    rank = dist.get_rank()
    for case in cases:
        Path(folder, f"{case.__name__}{rank}.pkl").write_bytes(pickle.dumps(case(rank)))
    dist.destroy_process_group()


if __name__ == "__main__":
    main(sys.argv[1], [fits])
