"""``zslearn extract``: region features of a folder of pictures."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from zslearn._cli._arguments import as_parameters, grid, image_size, key_value, natural

SUMMARY = "region features of a folder of pictures"
DESCRIPTION = """\
Write the region features of all pictures in a folder to a feature store, which
zslearn.feature_extraction.FeatureStore opens and `zslearn evaluate` reads.
A run that was stopped goes on where it was when the same command is given again.

    zslearn extract pictures/ -o features/
    zslearn extract pictures/ -o features/ --model resnet50.a1_in1k --layer -2
    zslearn extract pictures/ -o features/ --checkpoint vit.safetensors --grid 7x7
"""

# What the messages of the library call parameters.
OPTIONS = {
    "overwrite=True": "--overwrite",
    "on_error='skip'": "--skip-broken",
    "pretrained=False": "--random-weights",
    "checkpoint_path": "--checkpoint",
    "model_kwargs": "--model-option",
    "data_config": "--data-option",
    "model_name": "--model",
    "image_size": "--image-size",
    "grid_shape": "--grid",
    "layer=": "--layer ",
    "n_jobs": "--jobs",
    "batch_size": "--batch-size",
}


def add_network_arguments(parser: argparse.ArgumentParser) -> tuple[Any, Any]:
    """Declare what an extractor is made of; returns the groups "pictures" and "running"."""
    model = parser.add_argument_group("network")
    model.add_argument(
        "--model",
        default="vit_base_patch16_224.augreg_in21k_ft_in1k",
        help="name of a timm model (default: %(default)s)",
    )
    model.add_argument("--checkpoint", metavar="FILE", help="weights to load instead of timm's")
    model.add_argument(
        "--random-weights", action="store_true", help="do not load weights (to try things out)"
    )
    model.add_argument(
        "--model-option",
        metavar="NAME=VALUE",
        type=key_value,
        action="append",
        default=[],
        help="argument of timm.create_model, such as pad_type=same; may be repeated",
    )
    model.add_argument("--layer", type=int, default=-1, help="block or stage (default: the last)")
    model.add_argument("--no-norm", action="store_true", help="before the final normalisation")
    model.add_argument(
        "--pooled",
        nargs="?",
        const=True,
        default=False,
        choices=[True, "projected"],
        metavar="projected",
        help="one vector a picture; 'projected' as image towers of CLIP compare it with texts",
    )
    model.add_argument(
        "--grid", metavar="HxW", type=grid, help="average the regions to a coarser grid"
    )
    pictures = parser.add_argument_group("pictures")
    pictures.add_argument(
        "--image-size", metavar="N|HxW", type=image_size, help="pixels (default: the model's)"
    )
    pictures.add_argument(
        "--data-option",
        metavar="NAME=VALUE",
        type=key_value,
        action="append",
        default=[],
        help="override of timm's data configuration, such as crop_mode=squash; may be repeated",
    )
    run = parser.add_argument_group("running")
    run.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps")
    run.add_argument(
        "--precision", default="auto", choices=["auto", "float32", "bfloat16", "float16"]
    )
    run.add_argument("--batch-size", type=natural, default=32)
    run.add_argument("--jobs", type=natural, help="threads that decode (default: all processors)")
    return pictures, run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.add_argument("folder", metavar="FOLDER", help="pictures, also in sub-folders")
    parser.add_argument("-o", "--output", metavar="STORE", required=True, help="folder to write to")
    pictures, run = add_network_arguments(parser)
    pictures.add_argument(
        "--skip-broken",
        action="store_true",
        help="leave out pictures that cannot be read, and record them",
    )
    run.add_argument("--overwrite", action="store_true", help="replace a store of other settings")
    run.add_argument("--quiet", action="store_true", help="no progress bar")


def make_extractor(arguments: argparse.Namespace, on_error: str, *, quiet: bool) -> Any:
    """Make the extractor that the arguments describe, with its network loaded."""
    if arguments.random_weights and arguments.checkpoint:
        raise ValueError("--random-weights and --checkpoint exclude each other: give one.")
    from zslearn.feature_extraction import TimmRegionExtractor

    return TimmRegionExtractor(
        arguments.model,
        pretrained=not arguments.random_weights,
        checkpoint_path=arguments.checkpoint,
        model_kwargs=as_parameters(arguments.model_option) or None,
        layer=arguments.layer,
        norm=not arguments.no_norm,
        pooled=arguments.pooled,
        grid_shape=arguments.grid,
        image_size=arguments.image_size,
        data_config=as_parameters(arguments.data_option) or None,
        precision=arguments.precision,
        device=arguments.device,
        batch_size=arguments.batch_size,
        n_jobs=arguments.jobs,
        on_error=on_error,
        verbose=0 if quiet else 1,
    ).fit()


def run(arguments: argparse.Namespace) -> None:
    """Extract, and say how it went."""
    folder = Path(arguments.folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"{str(folder)!r} is not a folder of pictures.")

    extractor = make_extractor(
        arguments, "skip" if arguments.skip_broken else "raise", quiet=arguments.quiet
    )
    before = _count_finished(arguments.output)
    start = time.perf_counter()
    store = extractor.extract(folder, arguments.output, overwrite=arguments.overwrite)
    seconds = time.perf_counter() - start
    done = store.n_total - (0 if arguments.overwrite else before)
    for skipped in store.skipped:
        print(f"skipped {skipped.image}: {skipped.reason}", file=sys.stderr)
    pace = f"{done} pictures in {seconds:.1f} s, {done / seconds:.1f} pictures/s"
    if done == 0:
        pace = "nothing left to do"
    elif done < store.n_total:
        pace = f"went on after {before} of {store.n_total}: {pace}"
    print(f"{pace}\n{store!r}")


def _count_finished(folder: str) -> int:
    """Rows that an earlier run finished; 0 if there is no store to go on with."""
    from zslearn.feature_extraction import FeatureStore

    try:
        store = FeatureStore(folder, allow_unfinished=True)
    except (ValueError, OSError):  # extract says what is wrong with it
        return 0
    return len(store) + len(store.skipped)
