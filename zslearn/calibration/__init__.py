"""Meta-estimators that calibrate generalised zero-shot prediction: delta given, or tuned."""

from zslearn.calibration._fixed import FixedCalibrationClassifier
from zslearn.calibration._tuned import TunedCalibrationClassifierCV

__all__ = ["FixedCalibrationClassifier", "TunedCalibrationClassifierCV"]
