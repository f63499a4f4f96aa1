"""Rates, freezing, accumulation and averages of a training from pixels."""

import math

import pytest
import torch

from tests.finetuning.problems import extractor, fine_tuned, fit
from zslearn._training._callbacks import TrainingCallback
from zslearn.feature_extraction._decoding import PixelTransform
from zslearn.finetuning import FineTunedClassifier, TokenBackbone
from zslearn.finetuning._backbone_rates import BackboneRates


class Steps(TrainingCallback):
    """Note what the net is like at each step."""

    def __init__(self, note):
        self.note, self.notes = note, []

    def on_batch_end(self, net, training=False, **kwargs):
        self.notes.append(self.note(net))


def noted(note, finetuning, **params):
    steps = Steps(note)
    clf = fine_tuned(finetuning={"augmentation": "none", **finetuning}, **params)
    clf.set_params(classifier__callbacks=[steps])
    return steps.notes, fit(clf)


def rates_of(net):
    return [group["lr"] for group in net.optimizer_.param_groups]


def test_rates_by_layer():
    notes, clf = noted(
        rates_of,
        {"backbone_learning_rate": 0.01, "layer_decay": 0.5, "backbone_schedule": "constant"},
        learning_rate=0.003,
        learning_rate_schedule="constant",
    )
    layers = clf.net_.module_.backbone.layers()
    expected = [0.003, *(0.01 * 0.5 ** (len(layers) - 1 - i) for i in range(len(layers)))]
    assert notes[0] == pytest.approx(expected, rel=1e-12)
    assert notes[-1] == notes[0]


def test_decay_by_kind():
    _, clf = noted(rates_of, {"decay_all": False, "backbone_weight_decay": 0.1})
    network = clf.net_.module_.backbone.network
    names = {id(p): name for name, p in network.named_parameters()}
    decays = {}
    for group in clf.net_.optimizer_.param_groups[1:]:
        decays |= {names[id(p)]: group["weight_decay"] for p in group["params"]}
    assert len(decays) == len(names)
    for name, decay in decays.items():
        plain = network.get_parameter(name).ndim == 1 or name in ("cls_token", "pos_embed")
        assert decay == (0.0 if plain else 0.1), name


def test_warm_up_and_cosine_after_the_frozen_epochs():
    rates = BackboneRates("linear", 100, 2.0, begin=0.2, warmup=0.1, own="cosine", first=3)
    of_backbone, head = {"of_backbone": True}, {}
    assert rates.step == 3
    assert rates.factor_of(head, 0.25) == 0.75
    assert rates.factor_of(of_backbone, 0.1) == 0.0
    # Whatever the ratio of this run's rate to the first one's, which is of the head alone.
    assert 2 * rates.factor_of(of_backbone, 0.2) == pytest.approx(0.1)
    assert 2 * rates.factor_of(of_backbone, 0.25) == pytest.approx(0.6)
    assert 2 * rates.factor_of(of_backbone, 0.3) == pytest.approx(1.0)
    assert 2 * rates.factor_of(of_backbone, 0.65) == pytest.approx(0.5)
    assert 2 * rates.factor_of(of_backbone, 1.0) == pytest.approx(0.0)


@pytest.mark.parametrize("augmentation", ["none", "flip"])
def test_first_epochs_leave_the_backbone(augmentation):
    def weights(net):
        return torch.cat([p.detach().flatten() for p in net.module_.backbone.parameters()])

    notes, clf = noted(weights, {"freeze_epochs": 1, "augmentation": augmentation}, max_epochs=3)
    assert len(clf.net_.history) == 3
    assert all(torch.equal(one, notes[0]) for one in notes[:4])
    assert not torch.equal(notes[4], notes[3])
    assert clf.net_.module_.backbone.network.blocks[0].attn.qkv.weight.requires_grad


@pytest.mark.parametrize("augmentation", ["none", "flip"])
def test_frozen_epochs_run_on_stored_features(augmentation, monkeypatch):
    """Pictures are decoded once, and pass the network once, however many epochs that is."""
    shown = {"decoded": 0, "train": 0, "eval": 0}
    decode, forward = PixelTransform.__call__, TokenBackbone.regions

    def decoding(self, picture):
        shown["decoded"] += 1
        return decode(self, picture)

    def regions(self, x):
        shown["train" if torch.is_grad_enabled() else "eval"] += len(x)
        return forward(self, x)

    monkeypatch.setattr(PixelTransform, "__call__", decoding)
    monkeypatch.setattr(TokenBackbone, "regions", regions)
    settings = {"freeze_epochs": 2, "augmentation": augmentation}
    fit(fine_tuned(finetuning=settings, max_epochs=3))
    stored = augmentation == "none"
    assert shown["decoded"] == 24
    assert shown["train"] == (24 if stored else 3 * 24 + 6)  # and a batch that is tried first
    assert not stored or shown["eval"] == 24


def test_frozen_layers_are_in_no_group():
    _, clf = noted(rates_of, {"frozen_layers": 3})
    before = extractor().fit()._fitted.recipe.create()
    backbone = clf.net_.module_.backbone
    for number, names in enumerate(backbone.layers()):
        for name in names:
            same = torch.equal(backbone.network.get_parameter(name), before.get_parameter(name))
            assert same == (number < 3), name


@pytest.mark.parametrize(("size", "accumulate"), [(4, 2), (4, 3), (6, 9)])
def test_accumulation_is_a_larger_batch(size, accumulate):
    """Of a loss that is a mean over pictures; the rest of an epoch is not left for the next."""
    plain = {"lambda_cc": 0.0, "lambda_sci": 0.0, "lambda_tci": 0.0, "lambda_cal": 0.0}
    steps = {"max_epochs": 1, "optimizer": "sgd", "learning_rate_schedule": "constant", **plain}

    def weights(net):
        return torch.cat([p.detach().flatten() for p in net.module_.parameters()])

    found, _ = noted(weights, {"accumulate": accumulate}, batch_size=size, **steps)
    # The order of the rows is that of one permutation, cut into batches.
    whole = [(i + 1) * accumulate - 1 for i in range(24 // size // accumulate)]
    if accumulate * size >= 24:
        expected, _ = noted(weights, {}, batch_size=24, **steps)
        torch.testing.assert_close(found[-1], expected[-1], rtol=1e-4, atol=1e-6)
        return
    moved = [i for i in range(1, len(found)) if not torch.equal(found[i], found[i - 1])]
    assert moved == sorted({*whole, len(found) - 1})
    if accumulate == 2:
        expected, _ = noted(weights, {}, batch_size=8, **steps)
        torch.testing.assert_close(found[-1], expected[-1], rtol=1e-4, atol=1e-6)


def test_averages_of_the_weights():
    def weights(net):
        return net.module_.head.network.query_weight.detach().clone()

    notes, clf = noted(weights, {"average_decay": 0.9}, max_epochs=4)
    still, _ = noted(weights, {}, max_epochs=1, learning_rate=1e-30)  # where it began
    average = still[0]
    for step, reached in enumerate(notes):
        decay = min(0.9, (1 + step) / (10 + step))
        average = decay * average + (1 - decay) * reached
    torch.testing.assert_close(weights(clf.net_), average, rtol=1e-4, atol=1e-6)
    assert not torch.equal(weights(clf.net_), notes[-1])


def test_history_has_every_epoch_once():
    _, clf = noted(rates_of, {"freeze_epochs": 1}, max_epochs=3)
    assert clf.net_.history[:, "epoch"] == [1, 2, 3]
    assert clf.net_.steps_ == 12
    assert all(math.isfinite(loss) for loss in clf.net_.history[:, "train_loss"])


def test_rates_of_has_as_published():
    """The head alone at its own rate, then both at the backbone's, a fifth less each ten epochs."""
    clf = FineTunedClassifier.from_preset("has_sun")
    head, tuning = clf.classifier, clf.finetuning
    rates = BackboneRates(
        head.learning_rate_schedule,
        60,
        1.0,
        begin=tuning.freeze_epochs / 60,
        warmup=0.0,
        own=tuning.backbone_schedule,
    )
    for epoch in range(60):
        both = 1e-5 * 0.8 ** (epoch // 10)
        of_head = head.learning_rate * rates.factor_of({}, epoch / 60)
        of_backbone = rates.factor_of({"of_backbone": True}, epoch / 60)
        assert of_head == pytest.approx(1e-3 if epoch < 5 else both, rel=1e-12), epoch
        expected = 0.0 if epoch < 5 else both
        assert tuning.backbone_learning_rate * of_backbone == pytest.approx(expected), epoch
    assert FineTunedClassifier.from_preset("cvsc", finetuning=None).finetuning is None
    with pytest.raises(ValueError, match="no preset 'cub'; it has .*'has_cub'"):
        FineTunedClassifier.from_preset("cub")
