"""Serve predictions over HTTP: plain JSON, Open Inference Protocol, MLflow, SageMaker, Vertex."""

import importlib.util

import lazy_loader

from mldeploy.errors import MissingExtraError

if importlib.util.find_spec("msgspec") is None:
    raise MissingExtraError("the HTTP server", extra="serve")

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
