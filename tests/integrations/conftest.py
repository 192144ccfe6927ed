"""Tests whose libraries are not installed here are run where they are."""

from importlib.util import find_spec

collect_ignore = [] if find_spec("mlcroissant") else ["apart"]
