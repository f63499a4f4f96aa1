"""scikit-learn's own checks, on every estimator of the package."""

from sklearn.utils.estimator_checks import parametrize_with_checks

from zslearn import CVsCClassifier


@parametrize_with_checks([CVsCClassifier()])
def test_estimators(estimator, check):
    check(estimator)
