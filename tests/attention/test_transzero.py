"""TransZero equals the authors' released code, and is an estimator like the others."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from zslearn._training._learner import Batch
from zslearn.attention._transzero import TransZeroLearner
from zslearn.nn import _transzero_layers as layers

PARITY = Path(__file__).resolve().parents[1] / "data" / "parity"
TIGHT = {"rtol": 1e-9, "atol": 1e-11}
PARTS = {"q_": "query_", "k_": "key_", "v_": "value_", "o_": "out_"}


@pytest.fixture(autouse=True)
def double():
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


def our_name(theirs):
    """Name of a weight of ours by that of theirs, for weights that are not stacked."""
    block = re.fullmatch(r"(encoder|decoder)(\d)_(.*)", theirs)
    if block is None:
        known = {"V": "attribute_vectors", "W_1": "output_weight"}
        name = re.sub("^geometry_", "geometry.score.", known.get(theirs, theirs))
        return re.sub("^(embed_[a-z]*)_", r"\1.", name)
    kind, number, rest = block.groups()
    for pattern, ours in (
        (r"^([qkvo])_", lambda m: f"attention.{PARTS[m[0]]}"),
        (r"^ff([12])_", lambda m: f"feed_forward.{'inner' if m[1] == '1' else 'outer'}."),
        (r"^norm_?([abc123])_", r"norm_\1."),
        (r"^self_out_proj", "self_attention.out"),
        (r"^cross_out_proj", "attention.out"),
    ):
        rest = re.sub(pattern, ours, rest)
    return f"{kind}.{number}.{rest}"


def by_our_names(case, prefix):
    """Arrays of a file by the names of our weights, and those of biases of keys, which we lack."""
    ours, of_keys = {}, []
    for key in (key for key in case if key.startswith(prefix)):
        value, theirs = torch.tensor(case[key]), key.removeprefix(prefix)
        stacked = re.fullmatch(r"decoder(\d)_(self|cross)_in_proj_(weight|bias)", theirs)
        if stacked is None:
            ours[our_name(theirs)] = value
        else:
            number, which, kind = stacked.groups()
            attention = "self_attention" if which == "self" else "attention"
            for part, third in zip(("query", "key", "value"), value.chunk(3), strict=True):
                ours[f"decoder.{number}.{attention}.{part}_{kind}"] = third
    for name in [name for name in ours if name.endswith("key_bias")]:
        of_keys.append(ours.pop(name))
    return ours, of_keys


def released(number):
    """The learner with a file's weights, and the file."""
    with np.load(PARITY / f"transzero_case{number}.npz") as file:
        case = dict(file)
    side = int(case["grid_side"])
    learner = TransZeroLearner(
        case["features"].shape[2],
        torch.tensor(case["class_attributes"]),
        torch.from_numpy(np.isin(np.arange(len(case["class_attributes"])), case["unseen_classes"])),
        float(case["config_lambda_cal"]),
        float(case["config_lambda_reg"]),
        "all",
        grid=(side, side),
        attribute_vectors=torch.tensor(case["word_vectors"]),
        dim=int(case["config_dim"]),
        dim_feedforward=int(case["config_dim_feedforward"]),
        dropout=float(case["config_dropout"]),
        encoder_attention_dropout=float(case["config_encoder_attention_dropout"]),
        n_encoder_layers=int(case["config_encoder_layers"]),
        n_decoder_layers=int(case["config_decoder_layers"]),
        n_heads=int(case["config_heads"]),
        self_attention=bool(case["config_self_attention"]),
        normalize=bool(case["config_normalize_V"]),
    )
    weights, _ = by_our_names(case, "param_")
    assert set(weights) == {name for name, _ in learner.network.named_parameters()}
    learner.network.load_state_dict(weights)
    X = torch.tensor(case["features"], requires_grad=True)
    return learner, case, X, torch.nn.functional.normalize(X, dim=2)


def step(learner, case, F):
    return learner.training_step(Batch(F, torch.tensor(case["labels"]), torch.Generator()))


@pytest.fixture
def recorded(monkeypatch):
    """Let layers drop what a file says, in the order they drop in: attributes, then regions."""
    dropped = []

    def use(case):
        encoder = ["attention", "a", "b", "ff_hidden", "ff_output"]
        asking, decoder = ["self_attention", "1"], ["cross_attention", "2", "ff_hidden", "3"]
        order = [f"encoder{i}_{name}" for i in (0, 1) for name in encoder]
        order += [f"decoder{i}_{name}" for i in (0, 1) for name in (*asking, *decoder)]
        masks = [torch.tensor(case[f"keep_{name}"]) for name in order]

        def drop(x, p, training, *, inplace=False):
            assert training
            keep = masks[len(dropped)]
            dropped.append(p)
            return x * keep.reshape(x.shape) / (1 - p)

        monkeypatch.setattr(layers, "dropout", drop)
        monkeypatch.setattr(layers, "relu_dropout", lambda x, *how: drop(x.relu(), *how))

    yield use
    assert len(dropped) in (0, 22)


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_forward_losses_and_gradients(number, recorded):
    learner, case, X, F = released(number)
    network = learner.network
    if number == 3:
        recorded(case)
    np.testing.assert_allclose(network.geometry().detach(), case["geometry_bias_matrix"], **TIGHT)
    gamma = network.geometry.offsets[network.geometry.places]
    np.testing.assert_allclose(gamma, case["geometry_embedding"], **TIGHT)
    outputs = {}
    for name, blocks in (("encoder", network.encoder), ("decoder", network.decoder)):
        for i, block in enumerate(blocks):
            block.register_forward_hook(
                lambda *args, key=f"{name}{i}_output": outputs.update({key: args[2].detach()})
            )
    terms = step(learner, case, F)
    for key, value in outputs.items():
        np.testing.assert_allclose(value, case[key], **TIGHT)
    for ours, theirs in {"loss": "loss", "ce": "loss_ce", "cal": "loss_cal"}.items():
        np.testing.assert_allclose(terms[ours].item(), case[theirs], **TIGHT)
    np.testing.assert_allclose(terms["reg"].item(), case["loss_reg"], **TIGHT)
    terms["loss"].backward()
    np.testing.assert_allclose(X.grad, case["grad_features"], **TIGHT)
    expected, of_keys = by_our_names(case, "grad_")
    expected.pop("features")
    for name, parameter in network.named_parameters():
        np.testing.assert_allclose(parameter.grad, expected.pop(name), **TIGHT, err_msg=name)
    assert not expected
    # What is left out has no gradient.
    assert max(abs(gradient).max() for gradient in of_keys) < 1e-12


@pytest.mark.parametrize("number", [1, 2, 4])
def test_prediction(number):
    learner, case, _, F = released(number)
    learner.eval()
    F, table = F.detach(), torch.tensor(case["class_attributes"])
    with torch.no_grad():
        logits = learner.class_scores(F, table).numpy()
        maps = learner.attention_maps(F, torch.arange(table.shape[1])).numpy()
        scores = learner.attribute_scores(F).numpy()
    np.testing.assert_allclose(logits, case["logits"], **TIGHT)
    np.testing.assert_allclose(scores, case["semantics"], **TIGHT)
    np.testing.assert_allclose(maps, case["decoder0_cross_attention"], **TIGHT)
    unseen = case["unseen_classes"]
    np.testing.assert_array_equal(unseen[logits[:, unseen].argmax(1)], case["prediction_czsl"])
    logits[:, unseen] += 2.0
    np.testing.assert_array_equal(logits.argmax(1), case["prediction_gzsl"])


@pytest.mark.parametrize("number", [1, 2])
def test_three_steps_of_the_optimiser(number):
    learner, case, _, F = released(number)
    options = {"lr": float(case["optimizer_lr"]), "weight_decay": 1e-4}
    assert float(case["optimizer_weight_decay"]) == 1e-4
    if str(case["optimizer_name"]) == "SGD":
        momentum = float(case["optimizer_momentum"])
        optimizer = torch.optim.SGD(learner.parameters(), momentum=momentum, **options)
    else:
        optimizer = torch.optim.Adam(learner.parameters(), **options)
    for expected in case["optimizer_losses"]:
        optimizer.zero_grad()
        loss = step(learner, case, F.detach())["loss"]
        np.testing.assert_allclose(loss.item(), expected, **TIGHT)
        loss.backward()
        optimizer.step()
    expected, _ = by_our_names(case, "after_3_steps_")
    for name, parameter in learner.network.named_parameters():
        np.testing.assert_allclose(parameter.detach(), expected[name], **TIGHT, err_msg=name)
