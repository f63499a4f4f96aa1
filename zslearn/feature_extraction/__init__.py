"""From pictures to region features."""

from zslearn.feature_extraction._feature_store import FeatureStore, SkippedImage
from zslearn.feature_extraction._feature_store_writer import FeatureStoreWriter
from zslearn.feature_extraction._image_classifier import ImageClassifier
from zslearn.feature_extraction._patch_dictionary import PatchDictionaryExtractor
from zslearn.feature_extraction._timm_region_extractor import TimmRegionExtractor
from zslearn.feature_extraction._word_vectors import WordVectors

__all__ = [
    "FeatureStore",
    "FeatureStoreWriter",
    "ImageClassifier",
    "PatchDictionaryExtractor",
    "SkippedImage",
    "TimmRegionExtractor",
    "WordVectors",
]
