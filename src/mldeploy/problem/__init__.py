"""The problem statement: what is decided, what "good" means, and who may decide."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
