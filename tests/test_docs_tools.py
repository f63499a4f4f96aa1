"""What builds the documentation: equations, the check of the built site, the order of examples."""

import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "docs" / "_ext"))
import gallery_order  # noqa: E402
import offline  # noqa: E402


def site(folder, **pages):
    for name, body in pages.items():
        (folder / f"{name}.html").write_text(f"<html><body>{body}</body></html>")
    return sorted(offline.problems_of_site(folder))


def test_a_whole_site_has_no_problems(tmp_path):
    (tmp_path / "style.css").write_text("a { background: url(data:image/png;base64,AA) }")
    assert (
        site(
            tmp_path,
            index='<link rel="stylesheet" href="style.css?digest=1"><a href="other.html#here">x</a>'
            '<a href="https://example.org">x</a><a href="#top">x</a>',
            other='<p id="here"><img src="data:image/png;base64,AA"></p><a href="index.html">x</a>',
        )
        == []
    )


@pytest.mark.parametrize(
    "body",
    [
        '<script src="https://example.org/x.js"></script>',
        '<script src="//example.org/x.js"></script>',
        '<link rel="stylesheet" href="https://example.org/x.css">',
        '<img src="http://example.org/x.png">',
        '<p style="background: url(https://example.org/x.png)">',
        "<style>@import 'https://example.org/x.css';</style>",
    ],
)
def test_what_is_loaded_from_elsewhere_is_named(tmp_path, body):
    (problem,) = site(tmp_path, index=body)
    assert problem.startswith("index.html loads ")
    assert "//example.org/x." in problem


def test_style_sheets_and_links_are_followed(tmp_path):
    (tmp_path / "style.css").write_text('@font-face { src: url("https://example.org/x.woff2") }')
    assert site(tmp_path, index='<a href="gone.html">x</a><a href="#gone">x</a>') == [
        "index.html links to #gone, but there is no such place on the page",
        "index.html links to gone.html, which is not there",
        "style.css loads https://example.org/x.woff2",
    ]


def mathml(latex, display="inline"):
    pytest.importorskip("latex2mathml")
    pytest.importorskip("sphinx")
    import mathml as extension

    root = ET.fromstring(extension.to_mathml(latex, display))
    return root, [(element.tag.split("}")[1], element.text) for element in root.iter()]


def test_equations():
    _, parts = mathml(r"\mathbf{\alpha} \mathbb{1}")
    assert ("mi", "\U0001d6c2") in parts
    assert ("mn", "\U0001d7d9") in parts
    _, parts = mathml(r"\hat y = \arg\max_c z_c")
    assert ("mi", "arg\u2009max") in parts
    _, parts = mathml(r"2 \log p")
    assert [tag for tag, _ in parts][2:] == ["mn", "mspace", "mi", "mspace", "mi"]
    root, parts = mathml(r"a &= b \\ c &= d", "block")
    assert [tag for tag, _ in parts].count("mtr") == 2
    assert root.get("alttext") == r"a &= b \\ c &= d"


def test_an_unknown_command_is_an_error():
    with pytest.raises(ValueError, match=r"foo.*is not understood in the equation"):
        mathml(r"\foo x")


def test_every_example_has_a_place_in_the_gallery():
    examples = {path.stem for path in (ROOT / "examples").glob("plot_*.py")}
    assert examples <= set(gallery_order.ORDER)
    assert sorted(
        ["plot_own_pictures.py", "plot_zzz.py", "plot_first_fit.py"], key=gallery_order.by_lesson
    ) == [
        "plot_first_fit.py",
        "plot_own_pictures.py",
        "plot_zzz.py",
    ]
