"""From pictures to batches of pixels, decoded in threads ahead of the network."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from joblib import cpu_count
from numpy.typing import NDArray

from zslearn.feature_extraction._images_extra import import_for_images
from zslearn.feature_extraction._picture_sources import Pictures, read_orientation

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["PixelBatch", "PixelTransform", "count_threads", "decode_ahead", "to_rgb"]

# What undoes each orientation. ImageOps.exif_transpose also writes the tags anew, and fails at odd
# ones that say nothing about the pixels.
_TURNS = {
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}


_DEPTHS = (8, 10, 12, 14, 16)
_BAND = 1024  # lines


class PixelBatch(NamedTuple):
    """Pixels of consecutive pictures.

    ``pixels`` is a uint8 array of shape (len(rows), H, W, 3); what it holds for the rows named in
    ``failed``, which maps them to reasons, has no meaning.
    """

    rows: range
    pixels: NDArray[np.uint8]
    failed: dict[int, str]


class PixelTransform:
    """Resize and crop as timm does for a model, to uint8 pixels of one size.

    Parameters
    ----------
    config : dict
        timm's data config: input_size, interpolation, crop_pct, crop_mode, mean, std.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.size = tuple(int(side) for side in config["input_size"][1:])
        # Without normalisation timm ends in a uint8 tensor; that step is not wanted in threads.
        steps = (
            import_for_images("timm.data")
            .create_transform(
                **{**config, "input_size": (3, *self.size)}, is_training=False, normalize=False
            )
            .transforms
        )
        self._steps = [step for step in steps if type(step).__name__ != "MaybePILToTensor"]

    def __call__(self, image: Image) -> NDArray[np.uint8]:
        """Return pixels of shape (H, W, 3)."""
        image = to_rgb(image)
        for step in self._steps:
            image = step(image)
        return np.asarray(image)


def to_rgb(image: Image) -> Image:
    """Turn a picture upright and into RGB.

    The orientation written by cameras is applied. What is transparent is laid over white. Grey of
    more than 8 bits keeps its upper 8, of as many (8, 10, 12, 14 or 16) as its largest value takes:
    files of 16 bits often hold the 10 or 12 of a camera, which would all turn black.

    Raises
    ------
    ValueError
        If the pixels are floating point numbers or integers beyond 16 bits, whose range is unknown.
    """
    image.load()
    turn = _TURNS.get(read_orientation(image))
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        image = _reduce_depth(image)
    if turn is not None:
        image = image.transpose(import_for_images("PIL.Image").Transpose[turn])
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        return _lay_over_white(image)
    return image if image.mode == "RGB" else image.convert("RGB")


def _reduce_depth(image: Image) -> Image:
    values = np.asarray(image)
    if image.mode == "F" or values.min() < 0 or values.max() > 65535:
        raise ValueError(f"pixels of mode {image.mode!r}, whose range is not known")
    largest = int(values.max())
    n_bits = next(bits for bits in _DEPTHS if largest >> bits == 0)
    fromarray = import_for_images("PIL.Image").fromarray
    return fromarray((values >> (n_bits - 8)).astype(np.uint8))


def _lay_over_white(image: Image) -> Image:
    """Band by band: whole copies of a large picture would take several times its memory."""
    module = import_for_images("PIL.Image")
    width, height = image.size
    out = module.new("RGB", image.size)
    for top in range(0, height, _BAND):
        band = image.crop((0, top, width, min(height, top + _BAND))).convert("RGBA")
        white = module.new("RGBA", band.size, (255, 255, 255, 255))
        out.paste(module.alpha_composite(white, band).convert("RGB"), (0, top))
    return out


def count_threads(n_jobs: int | None) -> int:
    """Threads for `n_jobs`: all that the process may use for None, and joblib's way below zero."""
    usable = int(cpu_count())
    if n_jobs is None:
        return usable
    return n_jobs if n_jobs > 0 else max(1, usable + 1 + n_jobs)


def decode_ahead(
    pictures: Pictures,
    transform: PixelTransform,
    batches: list[range],
    *,
    n_threads: int,
    n_ahead: int,
    allocate: Callable[[tuple[int, ...]], NDArray[np.uint8]],
    missing: Mapping[int, str],
) -> Generator[PixelBatch, None, None]:
    """Decode pictures in threads and yield them in order.

    Parameters
    ----------
    pictures : Pictures
        What to decode.
    transform : PixelTransform
        Applied to each.
    batches : list of range
        Rows of each batch.
    n_threads : int
        Threads that decode.
    n_ahead : int
        Batches begun while the last one yielded is in use.
    allocate : callable
        Makes a uint8 array of a shape.
    missing : mapping of int to str
        Rows known to fail, with the reason; not tried.

    Yields
    ------
    PixelBatch
        One a range. Close the generator when stopping early: the threads end at once.
    """
    stop = threading.Event()

    def decode(row: int, out: NDArray[np.uint8]) -> str | None:
        if stop.is_set():
            return "stopped"
        try:
            out[...] = transform(pictures.load(row))
        except MemoryError:
            raise
        except Exception as error:
            kind = type(error).__name__
            if type(error) is ValueError:  # said by zslearn
                return str(error)
            return f"{kind}: {error}" if str(error) else kind
        return None

    begun: deque[tuple[range, NDArray[np.uint8], dict[int, Future[str | None]]]] = deque()
    waiting = iter(batches)
    pool = ThreadPoolExecutor(n_threads, thread_name_prefix="zslearn-decode")
    try:
        while True:
            while len(begun) <= n_ahead and (rows := next(waiting, None)) is not None:
                pixels = allocate((len(rows), *transform.size, 3))
                futures = {
                    row: pool.submit(decode, row, pixels[place])
                    for place, row in enumerate(rows)
                    if row not in missing
                }
                begun.append((rows, pixels, futures))
            if not begun:
                return
            rows, pixels, futures = begun.popleft()
            failed = {row: missing[row] for row in rows if row in missing}
            for row, future in futures.items():
                reason = future.result()
                if reason is not None:
                    failed[row] = reason
            yield PixelBatch(rows, pixels, dict(sorted(failed.items())))
    finally:
        stop.set()
        pool.shutdown(wait=True, cancel_futures=True)
