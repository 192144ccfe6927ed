"""What the extra ``testing`` installs; imported before anything else of this package."""

from mldeploy.errors import MissingExtraError

try:
    import hypothesis  # noqa: F401 (tells now what is missing)
    import pytest
except ImportError as error:
    raise MissingExtraError("mldeploy.testing", extra="testing") from error

_WITH_RULES = (
    *("assessors", "deployers", "engines", "monitors", "policies", "reports", "rules"),
    *("sinks", "sources", "splits", "stores", "trainers", "validators"),
)
pytest.register_assert_rewrite(*(f"mldeploy.testing._{name}" for name in _WITH_RULES))
