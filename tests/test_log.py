"""What `verbose` says is printed, or logged where somebody listens."""

import logging

import numpy as np

from zslearn import ClassAttributes, ESZSLClassifier
from zslearn.calibration import TunedCalibrationClassifierCV


def test_printed_or_logged(capsys):
    table = ClassAttributes(np.random.default_rng(0).normal(size=(6, 4)))
    y = np.arange(60) % 6
    clf = TunedCalibrationClassifierCV(ESZSLClassifier(), cv=2, random_state=0, verbose=1)
    clf.fit(table.values[y], y, table)
    assert capsys.readouterr().out.count("[calibration fold ") == 2
    lines = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())
    logger = logging.getLogger("zslearn")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        clf.fit(table.values[y], y, table)
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
    assert [line[:21] for line in lines] == ["[calibration fold 1/2", "[calibration fold 2/2"]
    assert capsys.readouterr().out == ""
