import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

project = "Crime Pattern Analysis"
author = "The Crime Pattern Analysis developers"
copyright = "2026, the Crime Pattern Analysis developers"
extensions = ["myst_parser", "numpydoc", "sphinx.ext.autodoc", "sphinx.ext.mathjax"]
html_theme = "furo"
html_title = project
exclude_patterns = ["_build"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
numpydoc_show_class_members = False
autodoc_typehints = "none"
autodoc_member_order = "bysource"
