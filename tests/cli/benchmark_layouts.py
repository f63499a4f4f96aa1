"""Generated benchmarks in the official layouts, large enough to hold out classes of."""

import numpy as np
from PIL import Image

N_SEEN, N_UNSEEN, N_PICTURES = 6, 3, 6
NAMES = ["auk", "bee", "crow", "dove", "emu", "finch", "gull", "hawk", "ibis"]
FILES = {
    "cub": "{number:03d}.{name}/{name}_{k:04d}_7.jpg",
    "awa2": "{name}/{name}_1000{k}.jpg",
    "sun": "{initial}/{name}/sun_{k}.jpg",
}
FOLDERS = {
    "cub": "CUB_200_2011/images",
    "awa2": "Animals_with_Attributes2/JPEGImages",
    "sun": "images",
}


def write_benchmark(layouts, name, root):
    """Pictures in the colours of their classes, whose attributes are those colours.

    Four pictures of each seen class are for training, two for the test.
    """
    rng = np.random.default_rng(0)
    n_classes = N_SEEN + N_UNSEEN
    table = rng.integers(1, 100, size=(n_classes, 5)).astype(float)
    classes = list(NAMES)
    if name == "cub":
        classes = [f"{number:03d}.{text}" for number, text in enumerate(NAMES, 1)]
    files = []
    for c, text in enumerate(NAMES):
        for k in range(1, N_PICTURES + 1):
            words = {"number": c + 1, "name": text, "initial": text[0], "k": k}
            files.append(FILES[name].format(**words))
            path = root / FOLDERS[name] / files[-1]
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels = 2.5 * table[c, :3] + rng.normal(scale=20, size=(16, 20, 3))
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path)
    assert files == sorted(files)
    _write_tables(layouts, name, root, classes, table, files)
    rows = np.arange(1, len(files) + 1).reshape(n_classes, N_PICTURES)
    parts = {
        "trainval": rows[:N_SEEN, :4].ravel(),
        "test_seen": rows[:N_SEEN, 4:].ravel(),
        "test_unseen": rows[N_SEEN:].ravel(),
    }
    folder = root / "xlsa17/data" / name.upper()
    layouts.write_splits(folder, table / (100 if name == "sun" else 1), classes, parts)
    return root


def _write_tables(layouts, name, root, classes, table, files):
    attributes = [f"has_part::{color}" for color in ("red", "green", "blue", "pink", "grey")]
    lines = [" ".join(map(str, row)) for row in table]
    if name == "cub":
        folder = root / "CUB_200_2011"
        ids = range(1, len(files) + 1)
        layouts.write_text(folder / "classes.txt", _numbered(classes))
        layouts.write_text(folder / "images.txt", _numbered(files))
        layouts.write_text(
            folder / "image_class_labels.txt", [f"{k} {(k - 1) // N_PICTURES + 1}" for k in ids]
        )
        layouts.write_text(folder / "bounding_boxes.txt", [f"{k} 1.0 1.0 9.0 9.0" for k in ids])
        layouts.write_text(folder / "parts/parts.txt", ["1 back"])
        layouts.write_text(folder / "parts/part_locs.txt", [f"{k} 1 5.0 5.0 1" for k in ids])
        layouts.write_text(root / "attributes.txt", _numbered(attributes))
        layouts.write_text(folder / "attributes/class_attribute_labels_continuous.txt", lines)
    elif name == "awa2":
        folder = root / "Animals_with_Attributes2"
        layouts.write_text(folder / "classes.txt", _numbered(classes, "\t"))
        layouts.write_text(folder / "predicates.txt", _numbered(attributes, "\t"))
        layouts.write_text(folder / "predicate-matrix-continuous.txt", lines)
        binary = [" ".join(str(int(value > 50)) for value in row) for row in table]
        layouts.write_text(folder / "predicate-matrix-binary.txt", binary)
    else:
        folder = root / "SUNAttributeDB"
        layouts.write_mat(folder / "attributes.mat", {"attributes": layouts.cell(attributes)})
        layouts.write_mat(folder / "images.mat", {"images": layouts.cell(files)})


def _numbered(texts, gap=" "):
    return [f"{number}{gap}{text}" for number, text in enumerate(texts, 1)]
