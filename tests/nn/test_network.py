"""What the network keeps besides its weights."""

import copy
import pickle

import pytest
import torch

from zslearn.nn import CVsCNetwork, DAZLENetwork, MSDNNetwork
from zslearn.nn.functional import find_padding

D, K, C = 32, 13, 11


def make():
    table = torch.rand(C, K, generator=torch.Generator().manual_seed(0))
    return CVsCNetwork(table, D, attribute_dim=8, scale=1.7)


def make_cvsc():
    table = torch.rand(C, K, generator=torch.Generator().manual_seed(0))
    return CVsCNetwork(table, D, counterfactual="permute")


def make_dazle():
    network = DAZLENetwork(K, D, attribute_dim=8)
    torch.nn.init.normal_(network.query_weight, generator=torch.Generator().manual_seed(3))
    return network


def make_msdn():
    network = MSDNNetwork(K, D, attribute_dim=8)
    for weight in list(network.parameters())[2:]:
        torch.nn.init.normal_(weight, generator=torch.Generator().manual_seed(3))
    return network


def unit(table):
    return torch.nn.functional.normalize(table, dim=1)


@pytest.mark.parametrize(
    "change",
    [
        lambda network: network.class_attributes.mul_(torch.arange(1.0, K + 1)),
        lambda network: network.class_attributes[3].fill_(2.0),
        lambda network: setattr(network, "class_attributes", torch.rand(7, K)),
        lambda network: network.load_state_dict(
            network.state_dict() | {"class_attributes": torch.rand(C, K)}
        ),
        lambda network: network.double(),
        lambda network: network.bfloat16().float(),
    ],
    ids=["times", "a row", "assigned", "loaded", "double", "rounded"],
)
def test_unit_attributes_follow(change):
    network = make()
    before = network.unit_attributes()
    torch.testing.assert_close(before, unit(network.class_attributes))
    assert network.unit_attributes() is before
    change(network)
    after = network.unit_attributes()
    assert after is not before
    assert after.dtype == network.class_attributes.dtype
    torch.testing.assert_close(after, unit(network.class_attributes))
    scores = network.class_scores(torch.ones(1, K, dtype=after.dtype))
    torch.testing.assert_close(scores[0], 1.7 * unit(network.class_attributes).sum(1))


@pytest.mark.parametrize("make_copy", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_unit_attributes_of_copies(make_copy):
    network = make()
    network.unit_attributes()
    other = make_copy(network)
    other.class_attributes.mul_(torch.arange(1.0, K + 1))
    torch.testing.assert_close(other.unit_attributes(), unit(other.class_attributes))
    torch.testing.assert_close(network.unit_attributes(), unit(network.class_attributes))
    assert not torch.allclose(network.unit_attributes(), other.unit_attributes())


@pytest.mark.parametrize("make", [make_cvsc, make_dazle, make_msdn])
def test_padding_takes_no_part(make):
    network = make().double().train()
    regions = torch.randn(4, 5, D, generator=torch.Generator().manual_seed(1)).double()
    wide = torch.cat([regions, torch.zeros(4, 3, D).double()], dim=1)
    results = []
    for given, padding in ((regions, None), (wide, find_padding(wide))):
        options = {"generator": torch.Generator().manual_seed(2)} if make is make_cvsc else {}
        output = network(given, padding, **options)
        loss = sum((x**2).sum() for x in output) if make is make_cvsc else (output**2).sum()
        gradients = torch.autograd.grad(loss, list(network.parameters()))
        maps = network.attention_maps(given, torch.tensor([3, 1]), padding)[..., :5]
        results.append([loss, maps, *gradients])
    for found, expected in zip(*results, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-11)
    assert not network.attention_maps(wide, padding=find_padding(wide))[..., 5:].any()


def test_a_start_from_the_identity():
    words = torch.eye(3, 5)[:, [4, 0, 1, 2, 3]] * 2
    given = CVsCNetwork(torch.eye(3), 5, attribute_vectors=words, identity_start=7.0)
    queries, embeddings = given.queries_and_embeddings()
    assert torch.equal(queries, 7 * words / 2)
    assert torch.equal(embeddings, queries)
    given.query_weight.data.zero_()
    assert torch.equal(given.embedding_weight, 7 * torch.eye(5))
    axes = CVsCNetwork(torch.ones(2, 5), 5, identity_start=7.0).eval()
    regions = torch.nn.functional.normalize(torch.rand(4, 3, 5), dim=2)
    torch.testing.assert_close(axes(regions).semantics, 7 * regions.mean(dim=1))
    with pytest.raises(ValueError, match="class_attributes has 3 values a class where X has 5"):
        CVsCNetwork(torch.eye(3), 5, identity_start=1.0)
    with pytest.raises(ValueError, match="have 4 numbers and X has 5 features"):
        CVsCNetwork(torch.eye(3), 5, attribute_vectors=torch.ones(3, 4), identity_start=1.0)
