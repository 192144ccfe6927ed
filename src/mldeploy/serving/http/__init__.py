"""Serve predictions over HTTP: plain JSON, Open Inference Protocol, MLflow, SageMaker, Vertex."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
