"""Writers of the official distributions in miniature, in their formats and with their traps."""

import io

import h5py
import numpy as np
from PIL import Image
from scipy.io import savemat


def jpeg():
    buffer = io.BytesIO()
    Image.new("RGB", (4, 3), (200, 30, 30)).save(buffer, format="JPEG")
    return buffer.getvalue()


def write_text(path, lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))


def write_pictures(folder, names):
    content = jpeg()
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def cell(texts):
    """A MATLAB column cell of texts."""
    column = np.empty((len(texts), 1), dtype=object)
    column[:, 0] = texts
    return column


def write_mat(path, variables, version=5):
    path.parent.mkdir(parents=True, exist_ok=True)
    if version == 5:
        savemat(path, variables, do_compression=True)
    else:
        write_v73(path, variables)


def write_v73(path, variables):
    """As MATLAB's -v7.3 writes: HDF5 behind a header of 512 bytes, everything transposed."""
    with h5py.File(path, "w", userblock_size=512) as file:
        counter = iter(range(10**6))
        for name, value in variables.items():
            _put(file, name, value, counter)
    header = b"MATLAB 7.3 MAT-file, Platform: GLNXA64, Created on: Mon Jan  1 00:00:00 2024"
    header += b" HDF5 schema 1.00 ."
    with open(path, "r+b") as file:
        file.write(header.ljust(116) + bytes(8) + b"\x00\x02IM")


def _put(file, name, value, counter):
    if isinstance(value, str):
        if value:
            codes = np.array([[ord(letter)] for letter in value], dtype=np.uint16)
        else:
            codes = np.array([0, 0], dtype=np.uint64)
        dataset = file.create_dataset(name, data=codes)
        dataset.attrs["MATLAB_class"] = np.bytes_("char")
        if value:
            dataset.attrs["MATLAB_int_decode"] = np.int32(2)
        else:
            dataset.attrs["MATLAB_empty"] = np.uint8(1)
        return dataset
    value = np.asarray(value)
    if value.dtype == object:
        references = np.empty(value.T.shape, dtype=h5py.ref_dtype)
        for place, item in np.ndenumerate(value.T):
            references[place] = _put(file, f"#refs#/r{next(counter)}", item, counter).ref
        dataset = file.create_dataset(name, data=references, dtype=h5py.ref_dtype)
        dataset.attrs["MATLAB_class"] = np.bytes_("cell")
        return dataset
    if value.size == 0:
        dataset = file.create_dataset(name, data=np.array(value.shape, dtype=np.uint64))
        dataset.attrs["MATLAB_empty"] = np.uint8(1)
    else:
        dataset = file.create_dataset(name, data=value.T)
    names = {"float64": "double", "float32": "single"}
    dataset.attrs["MATLAB_class"] = np.bytes_(names.get(value.dtype.name, value.dtype.name))
    return dataset


def column(numbers, dtype=np.uint16):
    return np.asarray(numbers, dtype=dtype).reshape(-1, 1)


def write_splits(folder, table, class_names, parts, *, version=5, original=True):
    """att_splits.mat from a (C, K) table and parts of 1-based rows."""
    table = np.asarray(table, dtype=float)
    norms = np.linalg.norm(table, axis=1, keepdims=True)
    variables = {"att": (table / norms).T}
    if original:
        variables["original_att"] = table.T
    if class_names is not None:
        variables["allclasses_names"] = cell(class_names)
    variables |= {f"{part}_loc": column(rows) for part, rows in parts.items()}
    write_mat(folder / "att_splits.mat", variables, version)


def write_res101(folder, files, labels, features=None, *, version=5):
    """res101.mat with 1-based labels; features are (n, D) here and (D, n) in the file."""
    variables = {"labels": column(labels, np.float64)}
    if files is not None:
        variables["image_files"] = cell(files)
    if features is None:
        features = np.arange(3.0 * len(labels)).reshape(len(labels), 3)
    variables["features"] = np.asarray(features).T
    write_mat(folder / "res101.mat", variables, version)


def write_cub(root):
    """Three classes and seven pictures, whose numbers have a gap and are not sorted by name."""
    folder = root / "CUB_200_2011"
    classes = ["001.Auk", "002.Bee_eater", "003.Crow"]
    pictures = {  # number: (name, class)
        1: ("001.Auk/Auk_0002_7.jpg", 1),
        2: ("001.Auk/Auk_0001_9.jpg", 1),
        5: ("001.Auk/Auk_0003_1.jpg", 1),
        6: ("002.Bee_eater/Bee_0001_2.jpg", 2),
        7: ("002.Bee_eater/Bee_0002_2.jpg", 2),
        8: ("003.Crow/Crow_0002_2.jpg", 3),
        9: ("003.Crow/Crow_0001_8.jpg", 3),
    }
    write_text(folder / "classes.txt", [f"{k} {name}" for k, name in enumerate(classes, 1)])
    write_text(folder / "images.txt", [f"{k} {name}" for k, (name, _) in pictures.items()])
    write_text(
        folder / "image_class_labels.txt", [f"{k} {label}" for k, (_, label) in pictures.items()]
    )
    write_text(folder / "bounding_boxes.txt", [f"{k} {k}.0 {10 * k}.5 30.0 40.0" for k in pictures])
    write_text(folder / "parts/parts.txt", ["1 back", "2 left eye"])
    write_text(
        folder / "parts/part_locs.txt",
        [line for k in pictures for line in (f"{k} 1 {k}.5 2.0 1", f"{k} 2 0.0 0.0 0")],
    )
    write_text(root / "attributes.txt", ["1 has_bill::curved", "2 has_wing::black"])
    write_text(
        folder / "attributes/class_attribute_labels_continuous.txt",
        ["10.0 20.0", "30.0 40.0", "50.0 0.0"],  # in the order of classes.txt
    )
    write_pictures(folder / "images", [name for name, _ in pictures.values()])
    # The split's class order is another: seen first. Rows: pictures sorted by name.
    write_splits(
        root / "xlsa17/data/CUB",
        [[10.0, 20.0], [50.0, 0.0], [30.0, 40.0]],
        ["001.Auk", "003.Crow", "002.Bee_eater"],
        {"trainval": [3, 1, 6], "test_seen": [2, 7], "test_unseen": [4, 5]},
    )
    return root


CUB_SORTED = [
    "001.Auk/Auk_0001_9.jpg",
    "001.Auk/Auk_0002_7.jpg",
    "001.Auk/Auk_0003_1.jpg",
    "002.Bee_eater/Bee_0001_2.jpg",
    "002.Bee_eater/Bee_0002_2.jpg",
    "003.Crow/Crow_0001_8.jpg",
    "003.Crow/Crow_0002_2.jpg",
]


def write_awa2(root):
    """Three classes; the antelope's first attribute is not given."""
    folder = root / "Animals_with_Attributes2"
    write_text(folder / "classes.txt", ["    1\tgrizzly+bear", "    2\tantelope", "    3\tox"])
    write_text(folder / "predicates.txt", ["    1\tblack", "    2\tbig"])
    write_text(folder / "predicate-matrix-binary.txt", ["0 1", "1 0", "1 1"])
    write_text(folder / "predicate-matrix-continuous.txt", ["20.0 90.0", "-1.00 30.0", "40.0 80.0"])
    files = [
        f"{name}/{name}_1000{k}.jpg" for name in ("antelope", "grizzly+bear", "ox") for k in (1, 2)
    ]
    write_pictures(folder / "JPEGImages", files)
    write_splits(
        root / "xlsa17/data/AWA2",
        [[-1.0, 30.0], [20.0, 90.0], [40.0, 80.0]],
        ["antelope", "grizzly+bear", "ox"],
        # The trap: train and val hold the seen test rows 2 and 6.
        {
            "trainval": [5, 1],
            "test_seen": [2, 6],
            "test_unseen": [3, 4],
            "train": [1, 2],
            "val": [5, 6],
        },
    )
    return root


def write_sun(root, *, listed=True):
    """Three scenes, one with a sub-scene; the pictures lie beside SUNAttributeDB."""
    files = [
        "a/abbey/sun_b.jpg",
        "a/abbey/sun_a.jpg",
        "c/cabin/outdoor/sun_c.jpg",
        "z/zoo/sun_e.jpg",
        "z/zoo/sun_d.jpg",
    ]
    folder = root / "SUNAttributeDB"
    write_mat(folder / "attributes.mat", {"attributes": cell(["sailing/ boating", "driving "])})
    write_mat(folder / "attributeLabels_continuous.mat", {"labels_cv": np.ones((5, 2)) / 3})
    if listed:
        write_mat(folder / "images.mat", {"images": cell(files)})
    write_pictures(root / "images", files)
    write_splits(
        root / "xlsa17/data/SUN",
        [[0.5, 0.0], [0.25, 0.75], [0.0, 1.0]],
        ["abbey", "cabin_outdoor", "zoo"],
        {"trainval": [2, 4], "test_seen": [5, 1], "test_unseen": [3]},
    )
    return root


def write_apy(root):
    """Five objects in four pictures; two objects of one picture are of one class."""
    folder = root / "attribute_data"
    write_text(folder / "attribute_names.txt", ["2D Boxy", "Furry"])
    write_text(folder / "class_names.txt", ["cow", "dog", "mug"])
    write_text(
        folder / "apascal_train.txt",
        [
            "2008_000002.jpg dog 10 20 110 220 0 1",
            "2008_000001.jpg cow 1 2 31 42 1 1",
            "2008_000002.jpg dog 5 6 7 9 0 0",
        ],
    )
    write_text(folder / "apascal_test.txt", ["2008_000002.jpg cow 3 3 4 5 0 1"])
    write_text(
        folder / "ayahoo_test.txt", ["mug_7.jpg mug 1 1 2 2 1 0", "mug_8.jpg mug 1 1 2 2 1 0"]
    )
    write_pictures(
        root / "VOCdevkit/VOC2008/JPEGImages", ["2008_000001.jpg", "2008_000002.jpg", "more.jpg"]
    )
    write_pictures(root / "ayahoo_test_images", ["mug_7.jpg", "mug_8.jpg"])
    write_splits(
        root / "xlsa17/data/APY",
        [[0.5, 1.0], [0.0, 0.5], [1.0, 0.0]],
        ["cow", "dog", "mug"],
        {"trainval": [1, 5], "test_seen": [6], "test_unseen": [2, 4, 3]},
    )
    return root


def write_flo(root, labels=(2, 1, 1, 3, 2)):
    """Five flowers; pictures are numbered, and so are classes."""
    folder = root / "102flowers"
    write_pictures(folder / "jpg", [f"image_{k:05d}.jpg" for k in range(1, len(labels) + 1)])
    write_mat(folder / "imagelabels.mat", {"labels": np.array([labels], dtype=np.uint8)})
    write_mat(folder / "setid.mat", {"trnid": np.array([[1, 3]], dtype=np.uint16)})
    # Rows: pictures 2, 3, 1, 5, 4.
    write_splits(
        root / "FLO",
        [[0.6, 0.8], [1.0, 0.0], [0.8, -0.6]],
        None,
        {"trainval": [3, 5], "test_seen": [4], "test_unseen": [1, 2]},
        original=False,
    )
    files = [f"/mnt/flowers//jpg/image_{k:05d}.jpg" for k in (2, 3, 1, 5, 4)]
    write_res101(root / "FLO", files, [1, 1, 2, 2, 3])
    return root
