"""Official addresses of the published benchmarks, with the checksums that were published."""

from __future__ import annotations

from typing import NamedTuple

DOWNLOADS = "downloads"


class RemoteFile(NamedTuple):
    """A file to download, and what of it is needed where.

    `checksum` is ``"md5:..."`` or ``"sha256:..."``, or None where none was published. `folder` is
    where it is unpacked to, relative to the data home, and `provides` what must then be there.
    """

    name: str
    url: str
    checksum: str | None
    folder: str
    provides: tuple[str, ...]


CUB = RemoteFile(
    name="CUB_200_2011.tgz",
    url="https://data.caltech.edu/records/65de6-vp158/files/CUB_200_2011.tgz",
    checksum="md5:97eceeb196236b17998738112f37df78",
    folder="CUB",
    provides=("CUB_200_2011",),
)
SUN_ATTRIBUTES = RemoteFile(
    name="SUNAttributeDB.tar.gz",
    url="https://cs.brown.edu/~gmpatter/Attributes/SUNAttributeDB.tar.gz",
    checksum="md5:883293e5b645822f6ae0046c6df54183",
    folder="SUN",
    provides=("SUNAttributeDB",),
)
SUN_IMAGES = RemoteFile(
    name="SUNAttributeDB_Images.tar.gz",
    url="https://cs.brown.edu/~gmpatter/Attributes/SUNAttributeDB_Images.tar.gz",
    checksum="md5:5966725c7306df6e05cd3ada7f45a18b",
    folder="SUN",
    provides=("images",),
)
AWA2 = RemoteFile(
    name="AwA2-data.zip",
    url="https://cvml.ista.ac.at/AwA2/AwA2-data.zip",
    checksum="md5:eaa27cf799d5cf55af372356d7281b5e",
    folder="AWA2",
    provides=("Animals_with_Attributes2",),
)
APY_ATTRIBUTES = RemoteFile(
    name="attribute_data.tar.gz",
    url="https://vision.cs.uiuc.edu/attributes/attribute_data.tar.gz",
    checksum=None,
    folder="APY",
    provides=("attribute_data",),
)
AYAHOO_IMAGES = RemoteFile(
    name="ayahoo_test_images.tar.gz",
    url="https://vision.cs.uiuc.edu/attributes/ayahoo_test_images.tar.gz",
    checksum=None,
    folder="APY",
    provides=("ayahoo_test_images",),
)
APASCAL_IMAGES = RemoteFile(
    name="VOCtrainval_14-Jul-2008.tar",
    url="http://host.robots.ox.ac.uk/pascal/VOC/voc2008/VOCtrainval_14-Jul-2008.tar",
    checksum="sha256:7f0ca53c1b5a838fbe946965fc106c6e86832183240af5c88e3f6c306318d42e",
    folder="APY",
    provides=("VOCdevkit",),
)
FLO_IMAGES = RemoteFile(
    name="102flowers.tgz",
    url="https://www.robots.ox.ac.uk/~vgg/data/flowers/102/102flowers.tgz",
    checksum="md5:52808999861908f626f3c1f4e79d11fa",
    folder="FLO",
    provides=("jpg",),
)
FLO_LABELS = RemoteFile(
    name="imagelabels.mat",
    url="https://www.robots.ox.ac.uk/~vgg/data/flowers/102/imagelabels.mat",
    checksum="md5:e0620be6f572b9609742df49c70aed4d",
    folder="FLO",
    provides=("imagelabels.mat",),
)
XLSA17 = RemoteFile(
    name="xlsa17.zip",
    url="https://datasets.d2.mpi-inf.mpg.de/xian/xlsa17.zip",
    checksum=None,
    folder="",
    provides=("xlsa17",),
)
# xlsa17.zip lacks the flowers; this one of the same authors has them.
CVPR18XIAN = RemoteFile(
    name="cvpr18xian.zip",
    url="https://datasets.d2.mpi-inf.mpg.de/xian/cvpr18xian.zip",
    checksum=None,
    folder="",
    provides=("cvpr18xian",),
)

BENCHMARK_FILES = {
    "cub": (CUB, XLSA17),
    "sun": (SUN_ATTRIBUTES, SUN_IMAGES, XLSA17),
    "awa2": (AWA2, XLSA17),
    "apy": (APY_ATTRIBUTES, AYAHOO_IMAGES, APASCAL_IMAGES, XLSA17),
    "flo": (FLO_LABELS, FLO_IMAGES, CVPR18XIAN),
    "xlsa17": (XLSA17,),
    "xlsa17-flo": (CVPR18XIAN,),
}
FOLDERS = ("CUB", "SUN", "AWA2", "APY", "FLO", "xlsa17", "cvpr18xian")
