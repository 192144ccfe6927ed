"""A fitted estimator with what it was made from, and the bundle that serves it."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
