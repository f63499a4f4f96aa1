"""TransZero equals the authors' released code, and is an estimator like the others."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from zslearn import ClassAttributes, TransZeroClassifier
from zslearn._training._learner import Batch
from zslearn.attention._transzero import TransZeroLearner
from zslearn.nn import AttributeRegressionLoss, TransZeroNetwork
from zslearn.nn import _transzero_layers as layers
from zslearn.nn._grid_geometry import GridGeometry

PARITY = Path(__file__).resolve().parents[1] / "data" / "parity"
TIGHT = {"rtol": 1e-9, "atol": 1e-11}
PARTS = {"q_": "query_", "k_": "key_", "v_": "value_", "o_": "out_"}


@pytest.fixture(autouse=True)
def double():
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


@pytest.fixture
def single(double):
    torch.set_default_dtype(torch.float32)


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


@pytest.mark.parametrize("options", [{}, {"n_decoder_layers": 2}, {"n_heads": 2, "dropout": 0.3}])
@pytest.mark.parametrize("n_attributes", [3, 9])  # of four regions
def test_a_few_images_at_a_time_or_all(monkeypatch, options, n_attributes):
    torch.manual_seed(0)
    options = {"dropout": 0.0, "encoder_attention_dropout": 0.0, **options}
    network = TransZeroNetwork(n_attributes, 6, (2, 2), dim=8, dim_feedforward=5, **options)
    network.train(not options["dropout"])
    F = torch.rand(7, 4, 6)
    F[5, 1] = 0
    padding = F.any(dim=2).logical_not()
    found = []
    for numbers in (2 * n_attributes * 5, 2**20):
        monkeypatch.setattr("zslearn.nn._transzero._CACHED_NUMBERS", numbers)
        scores = network(F, padding)
        scores.square().sum().backward()
        found.append([scores, *(one.grad.clone() for one in network.parameters())])
        network.zero_grad()
    for few, all_ in zip(*found, strict=True):
        torch.testing.assert_close(few, all_, rtol=1e-11, atol=1e-12)
    asked = network.eval().embedded_attributes()
    torch.testing.assert_close(network(F, padding, asked), scores, rtol=1e-11, atol=1e-12)


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


@pytest.fixture
def problem():
    rng = np.random.default_rng(0)
    table = ClassAttributes(rng.uniform(0.1, 1, (5, 4)), word_vectors=rng.normal(size=(4, 6)))
    y = np.arange(24) % 3
    return rng.normal(size=(24, 6, 8)).astype(np.float32), y, table


def small(**params):
    options = {"dim": 8, "dim_feedforward": 8, "grid": (2, 3), "precision": "float32"}
    options |= {"max_epochs": 2, "batch_size": 12, "random_state": 0, "device": "cpu"}
    return TransZeroClassifier(**options | params)


def weights_of(clf):
    return {name: one.detach() for name, one in clf.net_.module_.named_parameters()}


@pytest.mark.usefixtures("single")
def test_the_estimator_takes_the_steps_of_its_learner(problem):
    X, y, table = problem
    clf = small(max_epochs=1, batch_size=24).fit(X, y, class_attributes=table)
    group = clf.net_.optimizer_.param_groups[0]
    assert type(clf.net_.optimizer_) is torch.optim.Adam
    assert (group["betas"], group["weight_decay"], group["lr"]) == ((0.9, 0.999), 1e-4, 1e-4)
    assert clf.net_.term_names_ == ["ce", "reg", "cal"]
    terms = {name: clf.net_.history[-1][name] for name in ("train_loss", "ce", "reg", "cal")}
    total = terms["ce"] + 0.005 * terms["reg"] + 0.3 * terms["cal"]
    assert terms["train_loss"] == pytest.approx(total, rel=1e-6)


@pytest.mark.usefixtures("single")
def test_dropout_is_seeded_and_off_in_prediction(problem):
    X, y, table = problem
    before = torch.random.get_rng_state()
    clf, same, other, without = (
        small(**params).fit(X, y, class_attributes=table)
        for params in ({}, {}, {"random_state": 1}, {"dropout": 0.0})
    )
    assert torch.equal(torch.random.get_rng_state(), before)
    ours, drawn = weights_of(clf), "network.output_weight"
    assert all(torch.equal(ours[name], one) for name, one in weights_of(same).items())
    for apart in (other, without):
        assert not torch.equal(weights_of(apart)[drawn], ours[drawn])
    assert np.array_equal(clf.decision_function(X), clf.decision_function(X))


@pytest.mark.usefixtures("single")
def test_regions_of_zeros_get_no_attention(problem):
    X, y, table = problem
    X[::4, 2] = 0
    clf = small(n_encoder_layers=2, n_decoder_layers=2, n_heads=2).fit(X, y, class_attributes=table)
    maps = clf.attention_maps(X, [3, 0])
    assert maps.shape == (24, 2, 6)
    assert not maps[::4, :, 2].any()
    np.testing.assert_allclose(maps.sum(2), 1, rtol=1e-6)
    low = clf.set_params(precision="bfloat16").attention_maps(X).sum(2)
    np.testing.assert_allclose(low, 1, rtol=1e-6)
    # What lies in a region of zeros is of no consequence to the others, once it is encoded.
    network, F = clf.net_.module_.network, torch.tensor(X[:4])
    padding = F.any(dim=2).logical_not()
    other = F.masked_fill(padding[..., None], 7.0)
    with torch.no_grad():
        found, expected = network(other, padding), network(F, padding)
    torch.testing.assert_close(found, expected)


@pytest.mark.usefixtures("single")
def test_the_grid_is_heeded_and_no_other_is_taken(problem):
    X, y, table = problem
    clf = small().fit(X, y, class_attributes=table)
    turned = small(grid=(3, 2)).fit(X, y, class_attributes=table)
    assert (clf.grid_, turned.grid_) == ((2, 3), (3, 2))
    assert not np.allclose(clf.decision_function(X), turned.decision_function(X), rtol=1e-6)
    with pytest.raises(ValueError, match=r"6 regions of X form no square: pass grid=\(rows"):
        small(grid=None).fit(X, y, class_attributes=table)
    with pytest.raises(ValueError, match=r"fitted on a grid of \(2, 3\)"):
        clf.predict(X[:, :4])
    with pytest.raises(ValueError, match="n_heads=3 must divide dim=8"):
        small(n_heads=3).fit(X, y, class_attributes=table)


def test_geometry_of_a_grid_that_is_no_square():
    geometry = GridGeometry((2, 3))
    gamma = geometry.offsets[geometry.places]
    wave = 100 * np.log(1 / 3), 100 * np.log(2 / 4)  # one row, and two columns, apart
    found = gamma[0, 5]
    assert found[0] == pytest.approx(np.sin(wave[0]), abs=1e-12)
    assert found[8] == pytest.approx(np.sin(wave[1]), abs=1e-12)
    assert found[33] == pytest.approx(np.cos(wave[0] * 1000 ** (-1 / 8)), abs=1e-12)
    assert not found[16:32].any()
    assert (found[48:] == 1).all()
    assert torch.equal(gamma, gamma.transpose(0, 1))


@pytest.mark.usefixtures("single")
def test_without_unseen_classes_nothing_is_calibrated(problem):
    X, y, _ = problem
    clf = small(self_attention=False, ce_classes="seen").fit(X, y)
    assert clf.net_.term_names_ == ["ce", "reg"]
    assert clf.net_.module_.network.decoder[0].self_attention is None


def test_presets_are_the_authors_settings():
    cub, sun, awa2 = map(TransZeroClassifier.from_preset, ("cub", "sun", "awa2"))
    assert (cub.optimizer, cub.max_epochs, cub.dropout, cub.batch_sampling) == (
        "adam",
        200,
        0.4,
        "shuffled",
    )
    assert (sun.dim, sun.dim_feedforward, sun.self_attention) == (128, 2048, False)
    assert (sun.optimizer_params, sun.batch_sampling) == ({"momentum": 0.9}, "balanced")
    assert (awa2.lambda_cal, awa2.lambda_reg, awa2.normalize_vectors) == (2.0, 5e-4, True)
    assert (awa2.optimizer, awa2.optimizer_params) == ("sgd", None)


def test_the_regression_loss_is_weighted():
    rows = torch.tensor([[0.6, 0.8], [1.0, 0.0]])
    s = torch.tensor([[0.6, 1.8], [3.0, 2.0]])  # 1 and 4 + 4 squared differences, over two
    loss, weights = AttributeRegressionLoss(), torch.tensor([3.0, 1.0])
    assert loss(s, rows).item() == pytest.approx((0.5 + 4) / 2)
    assert loss(s, rows, weights).item() == pytest.approx((3 * 0.5 + 4) / 4)
