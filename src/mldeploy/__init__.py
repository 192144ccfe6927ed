"""From a problem statement to a monitored model: one criterion gates every step.

The names below are imported when they are first used, so that importing the library costs
little and loads neither pandas nor scikit-learn.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
