"""An extraction on a dask cluster: workers compute shards, one process writes them in order."""

from __future__ import annotations

import pickle
import threading
from collections import deque
from collections.abc import Generator, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from tqdm.auto import tqdm

if TYPE_CHECKING:
    from zslearn.feature_extraction._extraction import Extraction, RegionBatch

__all__ = ["check_client", "run_on_cluster"]

# Batches of a shard: enough for decoding to overlap with the network, few to do again.
_SHARD_BATCHES = 8
# Shards a worker has or waits for; as many results may lie in memory.
_SHARDS_AHEAD = 2
# The threads of a worker share one network and one device.
_TURN = threading.Lock()


def check_client(client: Any) -> None:
    """Refuse what is no client, or one whose calls must be awaited."""
    if client is None:
        return
    try:
        from distributed import Client
    except ImportError:
        raise ImportError(
            "client= needs dask.distributed: pip install 'zslearn[distributed]'."
        ) from None
    if not isinstance(client, Client):
        raise TypeError(
            f"client must be a dask.distributed.Client or None; found a {type(client).__name__}."
        )
    if client.asynchronous:
        raise ValueError("client is asynchronous; give one made with asynchronous=False.")


def run_on_cluster(
    client: Any, extraction: Extraction, start: int, missing: Mapping[int, str]
) -> Generator[RegionBatch, None, None]:
    """Yield the batches that the extraction's own run would, from row `start` on."""
    pictures = extraction.pictures
    # Without its pictures; those of a shard travel with it. Weights are not in a pickle.
    plan = pickle.dumps(replace(extraction, pictures=None, skip=True, verbose=0))  # type: ignore[arg-type]
    step = _SHARD_BATCHES * extraction.batch_size
    bar = tqdm(total=len(pictures), initial=start, unit="picture", disable=not extraction.verbose)
    futures: deque[Any] = deque()
    broken: dict[int, str] = {}
    row = first = start
    try:
        while first < len(pictures) or futures:
            while first < len(pictures) and len(futures) < _SHARDS_AHEAD * max(
                1, len(client.nthreads())
            ):
                rows = range(first, min(len(pictures), (first // step + 1) * step))
                there = {k: missing[k] for k in rows if k in missing}
                part = pictures.take(rows)
                shard = (plan, part, rows, there, bool(broken))
                futures.append(client.submit(_compute, *shard, pure=False))
                first = rows.stop
            batches, failed = futures[0].result()
            futures.popleft().release()
            broken.update(failed)
            for batch in batches:
                if not extraction.skip:
                    broken.update({row + k: reason for k, reason in batch.failed.items()})
                row += batch.n_rows
                bar.update(batch.n_rows)
                if not broken:  # else nothing is written, but all that are broken are named
                    yield batch
    finally:
        bar.close()
        client.cancel(list(futures))
    if broken:
        raise extraction.unreadable(broken)


def _compute(
    plan: bytes, part: Any, rows: range, missing: Mapping[int, str], only_decode: bool
) -> tuple[list[RegionBatch], dict[int, str]]:
    """Compute the batches of a shard on a worker, or only find what cannot be decoded."""
    with _TURN:
        extraction = replace(_plan(plan), pictures=part)
        if only_decode:
            return [], extraction.find_unreadable(rows, missing)
        return list(extraction.run(rows, missing)), {}


@lru_cache(maxsize=1)
def _plan(plan: bytes) -> Extraction:
    """Unpickle an extraction once a worker, which keeps the network it has made."""
    extraction: Extraction = pickle.loads(plan)
    return extraction
