"""Sphinx configuration. Nothing is fetched from the network, when building or when reading."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "_ext"))

import sphinx.ext.autosummary  # noqa: E402

import zslearn  # noqa: E402

project = "zslearn"
author = "The zslearn developers"
copyright = author
version = release = zslearn.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.viewcode",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
    "sphinx_design",
    "sphinx_copybutton",
    "mathml",
    "set_ups",
    "api_pages",
    "gallery_order",
    "offline",
]
exclude_patterns = ["_build", "_ext", "**/GALLERY_HEADER.rst"]
templates_path = ["_templates"]
default_role = "literal"
nitpicky = True
# Types of other libraries: there is no inventory of theirs to look them up in offline.
nitpick_ignore_regex = [("py:.*", r"(sklearn|numpy|scipy|torch|timm|skorch|pandas|matplotlib)\..*")]

myst_enable_extensions = ["dollarmath", "colon_fence", "deflist"]
myst_heading_anchors = 3
html_math_renderer = "mathml"

autosummary_generate = True
# A summary does not end in the middle of "(Eq. 2)".
sphinx.ext.autosummary.WELL_KNOWN_ABBREVIATIONS += ("Eq.", "Eqs.")
autodoc_typehints = "none"
add_module_names = False
toc_object_entries_show_parents = "hide"
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False

sphinx_gallery_conf = {
    "examples_dirs": ["../examples"],
    "gallery_dirs": ["auto_examples"],
    "filename_pattern": r"[\\/]plot_",
    "ignore_pattern": r"demo_|__init__",
    "within_subsection_order": "gallery_order.by_lesson",
    "backreferences_dir": "api/backreferences",
    "doc_module": ("zslearn",),
    "abort_on_example_error": True,
    "download_all_examples": False,
    "show_api_usage": False,
    "show_memory": False,
    "show_signature": False,
    "write_computation_times": False,  # its page loads scripts from the network
    "min_reported_time": 0,
    "remove_config_comments": True,
    "image_scrapers": ("matplotlib",),
}

html_theme = "pydata_sphinx_theme"
html_title = "zslearn"
html_static_path = ["_static"]
html_css_files = ["custom.css"]
html_js_files = [("api_filter.js", {"defer": "defer"})]
html_favicon = "_static/logo.svg"
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "logo": {
        "text": "zslearn",
        "image_light": "_static/logo.svg",
        "image_dark": "_static/logo_dark.svg",
        "alt_text": "zslearn, home",
    },
    "header_links_before_dropdown": 9,
    "navbar_align": "left",
    "navbar_end": ["theme-switcher"],
    "navbar_persistent": ["search-button"],
    "show_nav_level": 1,
    "navigation_depth": 2,
    "show_toc_level": 2,
    "secondary_sidebar_items": ["page-toc"],
    "show_prev_next": True,
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
_alone = [
    "index",
    "start_here",
    "concepts",
    "glossary",
    "choosing_map",
    "why_not_clip",
    "method",
    "benchmarks",
    "contributing",
    "changelog",
]
html_sidebars = {page: [] for page in _alone}
