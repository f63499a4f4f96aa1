"""What each process of the tests of training in several processes runs."""

import os
import pickle
import sys
import time
from pathlib import Path

import numpy as np
import torch.distributed as dist
from skorch.callbacks import Callback

from zslearn import (
    APNClassifier,
    CADAVAEClassifier,
    CVsCClassifier,
    DAZLEClassifier,
    HASClassifier,
    MSDNClassifier,
    TransZeroClassifier,
)
from zslearn.attention import CVsCObjective
from zslearn.feature_extraction import TimmRegionExtractor
from zslearn.finetuning import (
    FineTunedClassifier,
    FineTuning,
    IEAMClassifier,
    PSVMAClassifier,
    ViTZSLClassifier,
)
from zslearn.generative import (
    CEGZSLClassifier,
    FCLSWGANClassifier,
    FREEClassifier,
    FVAEGANClassifier,
    HSVAClassifier,
    TFVAEGANClassifier,
)
from zslearn.model_selection import HeldOutStopping, data_parallel

SETTINGS = {"device": "cpu", "precision": "float32", "random_state": 0, "max_epochs": 4}
# Batches of 11 and 10 samples: the shares are not of equal size.
SETTINGS["batch_size"] = 11
# One of each way to divide a batch: gathered rows, weighed ones, sums, means, pixels.
SOME = ("cvsc", "dazle", "cada_vae", "fvaegan", "vitzsl")


def problem():
    """Regions, some of them padding, labels of the seen classes, and a table with two unseen."""
    rng = np.random.default_rng(0)
    table = rng.random((7, 6)).astype(np.float32)
    y = np.arange(53) % 5
    X = rng.normal(size=(53, 4, 9)).astype(np.float32)
    X[..., :6] += table[y][:, None]
    X[:, 1:][rng.random((53, 3)) < 0.1] = 0
    return X, y, table


def pictures():
    """Pictures whose colour tells the class, labels and a table."""
    _, y, table = problem()
    X = np.random.default_rng(1).integers(0, 60, size=(len(y), 32, 32, 3))
    X = X + (180 * table[y, None, None, :3]).astype(int)
    return X.astype(np.uint8), y, table


def estimators():
    """What is fitted, by name, to regions, vectors or pictures."""
    return {**_attending(), **_generating(), **_fine_tuning()}


def _attending():
    uneven = {"class_weight": {0: 3.0}}
    # Unlike that of the other optimisers, its step shows the size of the gradient.
    plain = {"optimizer": "sgd", "learning_rate": 0.1}
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
        "msdn": MSDNClassifier(**SETTINGS, **uneven, **plain),
        "transzero": TransZeroClassifier(
            **SETTINGS, **plain | {"learning_rate": 0.01}, dim=12, dim_feedforward=16
        ),
        "apn": APNClassifier(**SETTINGS, **uneven, **plain),
        "apn_compact": APNClassifier(**SETTINGS, **plain, lambda_compactness=0.1),
        "has": HASClassifier(**SETTINGS, **uneven, **plain, adversarial_share=0.5, epsilon=0.1),
    }


def _generating():
    plain = {"optimizer": "sgd", "learning_rate": 1e-2, "n_synthetic": 20}
    few = {"encoder_dims": (12, 10), "decoder_dims": (14, 8), "latent_dim": 4}
    gan = {**SETTINGS, **plain, "hidden_dim": 12, "critic_iter": 2}
    return {
        "cada_vae": CADAVAEClassifier(**SETTINGS, **plain | few | {"learning_rate": 1e-3}),
        "fclswgan": FCLSWGANClassifier(**gan),
        "fvaegan": FVAEGANClassifier(**gan, adaptive_penalty=True),
        "tfvaegan": TFVAEGANClassifier(**gan),
        "free": FREEClassifier(**gan),
        "cegzsl": CEGZSLClassifier(**gan, embedding_dim=8, projection_dim=6, comparator_dim=7),
    }


def _fine_tuning():
    extractor = TimmRegionExtractor(
        "test_vit", pretrained=False, image_size=32, device="cpu", precision="float32"
    )
    few = {**SETTINGS, "max_epochs": 2, "optimizer": "sgd", "learning_rate": 0.01}
    trained = FineTuning(backbone_learning_rate=0.01, augmentation="crop", accumulate=2)
    once = FineTuning(backbone_learning_rate=0.01, freeze_epochs=1)
    return {
        "tuned_cvsc": FineTunedClassifier(extractor, CVsCClassifier(**few), finetuning=once),
        "tuned_transzero": FineTunedClassifier(
            extractor, TransZeroClassifier(**few, dim=12), finetuning=trained
        ),
        "tuned_has": FineTunedClassifier(
            extractor, HASClassifier(**few, adversarial_share=0.5), finetuning=once
        ),
        "vitzsl": ViTZSLClassifier(extractor, **few, finetuning=trained),
        "ieam": IEAMClassifier(extractor, **few, finetuning=once),
        "psvma": PSVMAClassifier(extractor, **few, finetuning=trained),
    }


def samples_of(name):
    """What an estimator of a name is fitted to."""
    if name in _fine_tuning():
        return pictures()
    X, y, table = problem()
    return (X[:, 0] if name in _generating() else X), y, table


def fitted(names):
    """What was learned by some estimators, by name."""
    found = {}
    for name in names:
        X, y, table = samples_of(name)
        clf = estimators()[name].fit(X, y, table)
        found[name] = {
            "weights": {n: v.detach().numpy() for n, v in clf.net_.module_.named_parameters()},
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
        "undivided": (HSVAClassifier(**SETTINGS), X[:, 0], y, table),
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


class Second(Callback):
    """Does something in the second epoch."""

    watches_batches = False

    def __init__(self, action):
        self.action = action

    def on_epoch_end(self, net, **kwargs):
        """Do it."""
        if len(net.history) == 2:
            self.action()


def hang(rank):
    """What a fit raises in each process when the second one hangs."""
    callbacks = [Second(lambda: time.sleep(8))] if rank else None
    try:
        with data_parallel(timeout=3):
            CVsCClassifier(**SETTINGS, callbacks=callbacks).fit(*problem())
    except RuntimeError as error:
        return f"RuntimeError: {error}"
    return "nothing"


def death(rank):
    """What a fit raises in this process when the other one ends without a word."""
    callbacks = [Second(lambda: os._exit(7))] if rank else None
    try:
        with data_parallel():
            CVsCClassifier(**SETTINGS, callbacks=callbacks).fit(*problem())
    except RuntimeError as error:
        return f"RuntimeError: {error}"
    return "nothing"


def launched(rank):
    """What is learned in an initialised group, without and with dividing batches."""
    found = {"initialised": fitted(["cvsc"])["cvsc"]}
    with data_parallel():
        found |= fitted(["cvsc"])
        CVsCClassifier(**SETTINGS, verbose=1).fit(*problem())
    return found


def some_fits(rank):
    """What estimators learn that tell the ways of dividing apart."""
    with data_parallel():
        return fitted(SOME)


def other_fits(rank):
    """What all the others learn."""
    with data_parallel():
        return fitted([name for name in estimators() if name not in SOME])


def fails(rank):
    """Ends the second process by an error, as a script does that a launcher started."""
    with data_parallel():
        X, y, table = problem()
        X[0, 0, 0] = np.nan if rank else 0.0
        CVsCClassifier(**SETTINGS).fit(X, y, table)


def main(folder, cases, **address):
    """Run some cases in one of the processes, and write what comes of them."""
    dist.init_process_group("gloo", **address)
    rank = dist.get_rank()
    for case in cases:
        Path(folder, f"{case.__name__}{rank}.pkl").write_bytes(pickle.dumps(case(rank)))
    dist.destroy_process_group()


if __name__ == "__main__":
    main(sys.argv[1], [globals()[name] for name in sys.argv[2:]])
