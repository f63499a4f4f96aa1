"""Settings of a method's authors, by data set."""

import pytest

from zslearn import DAZLEClassifier


class Preset(DAZLEClassifier):
    _presets = {"cub": {"lambda_cal": 0.3, "max_epochs": 7}}

    def __init__(self, *, lambda_cal=0.1, **training):
        super().__init__(lambda_cal=lambda_cal, **training)


def test_a_preset_is_parameters():
    params = Preset.from_preset("cub", max_epochs=9).get_params()
    assert (params["lambda_cal"], params["max_epochs"]) == (0.3, 9)
    assert params["batch_size"] == Preset().batch_size


def test_an_unknown_preset_is_answered_with_those_there_are():
    with pytest.raises(ValueError, match=r"Preset has no preset 'sun'; it has \['cub'\]"):
        Preset.from_preset("sun")
