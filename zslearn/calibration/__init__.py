"""Meta-estimators around any zero-shot classifier: delta given, or tuned; answers withheld."""

from zslearn.calibration._fixed import FixedCalibrationClassifier
from zslearn.calibration._rejection import RejectionClassifierCV
from zslearn.calibration._tuned import TunedCalibrationClassifierCV

__all__ = [
    "FixedCalibrationClassifier",
    "RejectionClassifierCV",
    "TunedCalibrationClassifierCV",
]
