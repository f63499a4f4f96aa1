"""From pictures to region features."""

from zslearn.feature_extraction._patch_dictionary import PatchDictionaryExtractor

__all__ = ["PatchDictionaryExtractor"]
