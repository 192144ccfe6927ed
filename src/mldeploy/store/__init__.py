"""One folder that holds rows, content-addressed artifacts, and a hash-chained ledger."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
