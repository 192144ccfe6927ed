"""Rules cannot be left out, and deviations are owned."""

from __future__ import annotations

import subprocess
import sys

import pytest

from mldeploy.testing import Conformance

pytest_plugins = ("pytester",)

KIT = """
from mldeploy.testing import Conformance
class ThingConformance(Conformance, kit=True):
    def test_one(self): assert self.one
    def test_two(self): assert True
"""


class ThingConformance(Conformance, kit=True):
    def test_one(self) -> None:
        """Hold."""


def test_rule_cannot_be_overridden() -> None:
    with pytest.raises(TypeError, match="overrides the rule test_one of ThingConformance"):

        class TestThing(ThingConformance):
            def test_one(self) -> None: ...


def test_rule_cannot_be_switched_off_by_another_base() -> None:
    class Silent:
        test_one = None

    with pytest.raises(TypeError, match="overrides the rule test_one"):

        class TestThing(Silent, ThingConformance): ...  # type: ignore[misc]


def test_kit_cannot_weaken_the_kit_it_derives_from() -> None:
    with pytest.raises(TypeError, match="overrides the rule test_one of ThingConformance"):

        class WeakConformance(ThingConformance, kit=True):
            def test_one(self) -> None: ...


def test_deviation_from_an_unknown_rule_is_refused() -> None:
    with pytest.raises(TypeError, match=r"test_tow, which is no rule of its kit; .* test_one"):

        class TestThing(ThingConformance):
            known_deviations = {"test_tow": "typo"}  # noqa: RUF012


def test_deviation_without_a_reason_is_refused() -> None:
    with pytest.raises(TypeError, match="does not say why"):

        class TestThing(ThingConformance):
            known_deviations = {"test_one": " "}  # noqa: RUF012


def test_declared_deviation_is_expected_to_fail_and_fails_once_it_is_gone(
    pytester: pytest.Pytester,
) -> None:
    own = """
class TestBroken(ThingConformance):
    known_deviations = {"test_one": "see #12"}
    one = False
class TestMended(TestBroken):
    one = True
class TestStrict(TestBroken):
    known_deviations = {}
    def test_of_its_own(self): assert not self.one
"""
    pytester.makepyfile(KIT + own)

    run = pytester.runpytest_inprocess("-q", "-rA", "-p", "no:cacheprovider")

    run.assert_outcomes(passed=4, xfailed=1, failed=2)
    run.stdout.fnmatch_lines(["*XFAIL*TestBroken::test_one*see #12*"])
    run.stdout.fnmatch_lines(["*XPASS(strict)] see #12*"])


def test_without_the_extra_the_error_names_it() -> None:
    code = "import sys; sys.modules['hypothesis'] = None\nimport mldeploy.testing"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert "MissingExtraError" in run.stderr
    assert "pip install 'mldeploy[testing]'" in run.stderr
