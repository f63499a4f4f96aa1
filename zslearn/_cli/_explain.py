"""``zslearn explain``: a figure of why a model answers as it does."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from zslearn._cli._answers import rank_classes
from zslearn._cli._arguments import check_writable, natural
from zslearn._cli._predict import (
    add_device_arguments,
    add_new_classes,
    list_pictures,
    prepare_model,
)

SUMMARY = "a figure of why a model answers as it does"
DESCRIPTION = """\
Draw why a model that `zslearn train` wrote names a class for a picture, and not the runner-up: what
each attribute adds to the difference of their scores; and, for methods that attend to regions,
where the attributes look that speak for the class.

    zslearn explain model/ picture.jpg -o why.png
    zslearn explain model/ picture.jpg -o why.svg --class kiwi --other owl
"""
OPTIONS = {"missing_values=numpy.nan": "--missing-values nan"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.add_argument("model", metavar="MODEL", help="folder that `zslearn train` wrote")
    parser.add_argument("picture", metavar="PICTURE")
    parser.add_argument(
        "-o", "--output", metavar="FILE", required=True, help="figure: .png, .svg or .pdf"
    )
    parser.add_argument("--class", dest="target", metavar="NAME", help="default: the answer")
    parser.add_argument("--other", metavar="NAME", help="class to compare with (the runner-up)")
    parser.add_argument(
        "--max-attributes", type=natural, default=12, metavar="N", help="bars (default: 12)"
    )
    add_new_classes(parser)
    add_device_arguments(parser)


def run(arguments: argparse.Namespace) -> None:
    """Load, draw, write."""
    check_writable(arguments, "output")
    output = Path(arguments.output)
    if output.suffix.lower() not in (".png", ".svg", ".pdf"):
        raise ValueError(f"--output: {arguments.output!r} must end in .png, .svg or .pdf.")
    if Path(arguments.picture).is_dir():
        raise ValueError(f"PICTURE: {arguments.picture!r} is a folder: give one file.")
    paths, _ = list_pictures([arguments.picture])
    model = prepare_model(arguments)
    labels = {str(label): label for label in model.classes_.tolist()}
    chosen: dict[str, Any] = {}
    for option, name in (("class", arguments.target), ("other", arguments.other)):
        if name is not None and name not in labels:
            raise ValueError(f"--{option}: the model knows no class {name!r}.")
        chosen[option] = None if name is None else labels[name]
    if not hasattr(model.classifier_, "predict_attributes"):
        raise ValueError(
            "MODEL: the scores of its method are no sums over attributes, so that they cannot be "
            "taken apart. Train with --method cvsc or eszsl, for example."
        )
    features = model.extract(paths)
    scores = model.classifier_.uncalibrated_scores(features)
    (answer,) = rank_classes(model.classifier_, [arguments.picture], scores, "all", 2)
    figure = _draw(model, features, paths, chosen, arguments.max_attributes)
    made = output.with_name(f".{output.name}.part{output.suffix}")
    try:
        figure.savefig(made, dpi=150, bbox_inches="tight")
        made.replace(output)
    finally:
        made.unlink(missing_ok=True)
    print(
        "; ".join(
            [
                f"{arguments.picture}: {answer.label}",
                *(
                    f"{name} {share:.3f}"
                    for name, share in zip(answer.classes, answer.probabilities, strict=True)
                ),
            ]
        )
    )


def _draw(
    model: Any, features: Any, paths: list[Path], chosen: dict[str, Any], max_attributes: int
) -> Any:
    """Bars of the attributes beside the picture, and below them where attributes look."""
    from zslearn.feature_extraction._decoding import to_rgb
    from zslearn.feature_extraction._picture_sources import as_pictures
    from zslearn.inspection import AttributeAttentionDisplay, SemanticExplanationDisplay
    from zslearn.inspection._style import import_pyplot

    plt = import_pyplot("zslearn explain")
    classifier = model.classifier_
    picture = to_rgb(as_pictures(paths).load(0))
    attends = hasattr(classifier, "attention_maps")
    figure = plt.figure(figsize=(11, 8 if attends else 5.2), layout="constrained")
    upper, lower = figure.subfigures(2, 1, height_ratios=(3, 1.1)) if attends else (figure, None)
    # Where attributes look is drawn over the picture, which then need not stand beside the bars.
    bars, beside = (
        (upper.subplots(), None) if attends else upper.subplots(1, 2, width_ratios=(3, 1))
    )
    SemanticExplanationDisplay.from_estimator(
        classifier,
        features,
        target=chosen["class"],
        other=chosen["other"],
        image=None if attends else picture,
        max_attributes=max_attributes,
        ax=bars,
        image_ax=beside,
    )
    if lower is not None:
        table = model.class_attributes_
        n = min(5, table.n_attributes)
        AttributeAttentionDisplay.from_estimator(
            classifier,
            features,
            images=paths,
            y=None if chosen["class"] is None else [chosen["class"]],
            n_attributes=n,
            grid_shape=getattr(model, "grid_shape_", None),
            data_config=getattr(model, "data_config_", None),
            axes=lower.subplots(1, n + 1, squeeze=False),
        )
    return figure
