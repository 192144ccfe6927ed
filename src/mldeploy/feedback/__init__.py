"""What turned out to be true: labels that are late, partial and revised, joined to predictions."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
