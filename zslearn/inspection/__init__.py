"""Display objects: what a zero-shot classifier learned, drawn with matplotlib."""

from zslearn.inspection._attribute_attention import AttributeAttentionDisplay
from zslearn.inspection._confusion import UnseenConfusionDisplay
from zslearn.inspection._critical_difference import CriticalDifferenceDisplay
from zslearn.inspection._lambda_sweep import LambdaSweepDisplay
from zslearn.inspection._parameter_sweep import ParameterSweep
from zslearn.inspection._part_regions import (
    estimate_attribute_localization,
    part_regions_from_map,
    part_regions_from_points,
)
from zslearn.inspection._region_effects import region_effects
from zslearn.inspection._seen_unseen_curve import SeenUnseenCurveDisplay
from zslearn.inspection._semantic_error import SemanticErrorDisplay
from zslearn.inspection._semantic_explanation import SemanticExplanationDisplay

__all__ = [
    "AttributeAttentionDisplay",
    "CriticalDifferenceDisplay",
    "LambdaSweepDisplay",
    "ParameterSweep",
    "SeenUnseenCurveDisplay",
    "SemanticErrorDisplay",
    "SemanticExplanationDisplay",
    "UnseenConfusionDisplay",
    "estimate_attribute_localization",
    "part_regions_from_map",
    "part_regions_from_points",
    "region_effects",
]
