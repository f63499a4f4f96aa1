"""Methods that attend to the regions of a picture."""

from zslearn.attention._apn import APNClassifier
from zslearn.attention._cvsc import CVsCClassifier
from zslearn.attention._cvsc_objective import CVsCObjective
from zslearn.attention._dazle import DAZLEClassifier
from zslearn.attention._has import HASClassifier
from zslearn.attention._prototype_head import PrototypeHead

__all__ = [
    "APNClassifier",
    "CVsCClassifier",
    "CVsCObjective",
    "DAZLEClassifier",
    "HASClassifier",
    "PrototypeHead",
]
