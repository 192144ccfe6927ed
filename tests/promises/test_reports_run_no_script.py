"""Whatever text comes with the data or from people, nothing that the library shows runs it."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from mldeploy.data import Dataset, DriftReport, RandomSplit
from mldeploy.deployment import Canary
from mldeploy.evidence import (
    Finding,
    LineChart,
    Mark,
    Report,
    Series,
    Verdict,
    Waiver,
    html_fragment,
    html_page,
    html_table,
    verdict_tag,
)
from mldeploy.governance import ModelCard
from mldeploy.problem import Criterion, Problem, Slice
from mldeploy.project import Project
from mldeploy.tracking import Folds, RunComparison, Trial
from mldeploy.training import EstimatorTrainer

NOW = datetime(2030, 1, 1, tzinfo=UTC)
DO = "document.title='pwned'"
PAYLOADS = [
    f"<script>{DO}</script>",
    f"</script><script>{DO}</script>",
    f"</style><script>{DO}</script>",
    f"</title><script>{DO}</script>",
    f"</textarea><script>{DO}</script>",
    f"</td></tr></table><script>{DO}</script>",
    f"--><script>{DO}</script>",
    f"]]><script>{DO}</script>",
    f"<<script>{DO}//<</script>",
    f"<ScRiPt >{DO}</ScRiPt >",
    f"<script\n>{DO}</script\n>",
    f"<img src=x onerror={DO}>",
    f'"><img src=x onerror="{DO}">',
    f"'><img src=x onerror=\"{DO}\">",
    f'" onmouseover="{DO}" x="',
    f"' onmouseover='{DO}",
    f"` onmouseover=`{DO}",
    f'" autofocus onfocus="{DO}',
    f"<svg onload={DO}>",
    f"<svg><script>{DO}</script></svg>",
    f"</svg><script>{DO}</script>",
    f'<svg><animate onbegin="{DO}" attributeName=x dur=1s>',
    f"<body onload={DO}>",
    f"<details open ontoggle={DO}>",
    f"<video><source onerror={DO}>",
    f"<input autofocus onfocus={DO}>",
    f"<marquee onstart={DO}>",
    f"<iframe srcdoc='<script>parent.{DO}</script>'>",
    f'<iframe src="javascript:parent.{DO}">',
    f'<a href="javascript:{DO}">x</a>',
    f'<object data="javascript:{DO}">',
    f'<embed src="javascript:{DO}">',
    f'<form action="javascript:{DO}"><button>x</button></form>',
    f'<meta http-equiv=refresh content="0;url=javascript:{DO}">',
    '<link rel=stylesheet href="//evil.example/x.css">',
    '<base href="//evil.example/">',
    f"<math><mtext><table><mglyph><style><img src=x onerror={DO}>",
    f"<noscript><p title='</noscript><img src=x onerror={DO}>'>",
    f"&lt;script&gt;{DO}&lt;/script&gt;",
    f"&#60;script&#62;{DO}&#60;/script&#62;",
    f"\\u003cscript\\u003e{DO}\\u003c/script\\u003e",
    f"<script>{DO}</script>",
    "{{constructor.constructor('document.title=1')()}}",
    "${document.title=1}",
]  # fmt: skip
PAYLOADS = list(dict.fromkeys(PAYLOADS))
ALL = " ".join(PAYLOADS)
TARGET, CATEGORY = PAYLOADS[0], PAYLOADS[11]
ALSO = PAYLOADS[20]
NUMBERS = [p for p in PAYLOADS if p not in {TARGET, CATEGORY}]

WHOLE_PAGES = (
    *("a page", "card whole", "scorecard whole", "run table whole", "data report whole"),
    *("drift report whole", "card diff whole"),
)
_FORBIDDEN = {
    *("script", "iframe", "object", "embed", "link", "base", "form", "input", "button"),
    *("img", "video", "audio", "body", "marquee", "math", "noscript", "animate"),
}


class Hostile(LogisticRegression):  # type: ignore[misc]
    """A classifier that carries a note."""

    def __init__(self, note: str = "", *, C: float = 1.0, max_iter: int = 100) -> None:
        super().__init__(C=C, max_iter=max_iter)
        self.note = note


class Reader(HTMLParser):
    """Collect what could run, load or leave the page."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.bad: list[str] = []
        self.text: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)
        if tag in _FORBIDDEN:
            self.bad.append(f"<{tag}>")
        for name, value in attrs:
            text = re.sub(r"[\s\x00-\x1f]", "", value or "").lower()
            if name.startswith("on") or name in {"srcdoc", "action", "formaction"}:
                self.bad.append(f"{tag}.{name}")
            if name in {"src", "href", "data", "xlink:href", "poster", "background"} and text:
                self.bad.append(f"{tag}.{name}={value}")
            if name == "style" and "url(" in text:
                self.bad.append(f"{tag}.style={value}")
            if tag == "meta" and name == "http-equiv" and text == "refresh":
                self.bad.append("meta refresh")

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    reader.close()
    return reader


def hostile_frame(n: int = 500) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({name: rng.normal(size=n) for name in NUMBERS})
    frame[CATEGORY] = rng.permutation(np.resize(PAYLOADS, n))
    late = rng.uniform(size=n) < 1 / (1 + np.exp(-3 * frame[NUMBERS[0]]))
    frame[TARGET] = np.where(late, PAYLOADS[1], PAYLOADS[2])
    return frame


def hostile_problem() -> Problem:
    return Problem(
        name="hostile",
        statement=ALL,
        decision=ALL,
        owner=ALL,
        target=TARGET,
        positive=PAYLOADS[1],
        label_delay=timedelta(hours=1),
        sensitive=[NUMBERS[5]],
        criteria=[
            Criterion("roc_auc", at_least=0.55, better_than="baseline"),
            Criterion("recall", at_least=0.99, slices=[Slice(CATEGORY, values=tuple(PAYLOADS))]),
            Criterion("missing_share", at_most=0.05, columns=NUMBERS),
        ],
    )


def hostile_report() -> Report:
    finding = Finding(
        check=ALL, name=ALL, verdict=Verdict.FAIL, summary=ALL, action=ALL, estimate=0.5,
        threshold=0.4, unit=PAYLOADS[0], column=ALL, slice=ALL, criterion=PAYLOADS[0],
        details={p: p for p in PAYLOADS},
    )  # fmt: skip
    waiver = Waiver(by=ALL, reason=ALL, until=NOW + timedelta(days=1), name=ALL)
    findings = (finding, finding.model_copy(update={"name": "second", "waived_by": ALL}))
    report = Report(
        step=ALL, made_by=ALL, findings=findings, about={p: p for p in PAYLOADS}, started_at=NOW
    )
    return report.waive([waiver], at=NOW)


def hostile_chart() -> LineChart:
    times = [NOW, NOW + timedelta(days=1)]
    return LineChart(
        title=ALL,
        series=[Series(name=ALL, times=times, values=[0.1, 0.2], low=[0, 0], high=[1, 1])],
        marks=[Mark(time=NOW, label=ALL, kind=ALL)],
        threshold=0.15,
        unit=PAYLOADS[0],
    )


def made_by_a_project(root: Path) -> Iterator[tuple[str, Any]]:
    estimator = make_pipeline(
        make_column_transformer(
            (OneHotEncoder(handle_unknown="ignore"), [CATEGORY]), remainder="passthrough"
        ),
        Hostile(note=ALL, C=0.1, max_iter=1000),
    )
    name = f"{Hostile.__module__}.{Hostile.__qualname__}"
    with Project(
        hostile_problem(),
        store=root,
        by=ALL,
        trusted=[name],
        split=RandomSplit(test_share=0.4),
        trainer=lambda e: EstimatorTrainer(e, baselines={ALL: DummyClassifier()}),
        clock=lambda: NOW,
    ) as project:
        run = project.run(hostile_frame(), estimator)
        version = run.version
        failing = {f.name for f in run.report.findings if f.verdict != Verdict.PASS}
        for finding in failing:
            until = NOW + timedelta(days=9)
            project.waive(version, by=PAYLOADS[3], reason=ALL, until=until, name=finding)
        project.approve(version, by=PAYLOADS[4], reason=ALL)
        with project.runs.start(ALL, parameters={p: p for p in PAYLOADS}) as tracked:
            for payload in PAYLOADS:
                tracked.log_metric(payload, 0.5)
        live = project.deploy(version)
        rows = hostile_frame(60).drop(columns=TARGET)
        answers = live.predict_frame(rows, keys=np.resize(PAYLOADS, 60).tolist())
        live.label(answers.ids[0], PAYLOADS[1])
        live.roll_out(version, Canary([0.5, 1.0]))
        window = live.window(NOW - timedelta(hours=1), NOW + timedelta(hours=1))
        logged = live.deployment.answers()
        yield from {
            "project": project, "run": run, "data": run.data, "dataset": run.data.dataset,
            "profile": run.data.dataset.profile(), "model": run.model, "report": run.report,
            "assessment": run.data.report, "version": version, "card": project.card(version),
            "runs": project.runs, "live": live, "deployment": live.deployment,
            "status": live.status(), "decision": live.decide(at=NOW), "answers": answers,
            "answer": answers[0], "window": window,
            "scorecard": project.scorecard(version), "run table": project.runs(),
            "data report": run.data.describe(), "comparison": compared(project),
            "drift report": DriftReport.of(hostile_frame(), hostile_frame(300).drop(columns=ALSO)),
            "card diff": project.card(version).diff(_renamed(project.card(version))),
            "coverage": project.labels.coverage(logged), "delays": project.labels.delays(logged),
        }.items()  # fmt: skip
        yield from ((f"record {i}", record) for i, record in enumerate(project.runs.all()))
        yield "promotions", _Shown(html_table([ALL], [[p] for p in project.history()]))
        live.stop()


def compared(project: Project) -> RunComparison:
    folds = Folds.of("data", [([0], [1]), ([1], [0])])
    trials = [Trial(parameters={p: p for p in PAYLOADS}, scores={ALL: (i, i + 1)}) for i in (1, 2)]
    with project.runs.start(ALL, parameters={ALL: ALL}) as search:
        project.runs.record(ALL, trials, folds=folds, parent=search.id)
    return project.runs.compare(ALL)


def _renamed(card: ModelCard) -> ModelCard:
    first, *others = card.sections
    changed = first.model_copy(update={"text": ALL, "rows": ((ALL, ALL),)})
    return card.model_copy(update={"title": ALL, "sections": (changed, *others)})


class _Shown:
    def __init__(self, html: str) -> None:
        self._html = html

    def _repr_html_(self) -> str:
        return html_fragment(self._html)


@pytest.fixture(scope="module")
def exhibits(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Everything that shows itself, made of hostile text."""
    report = hostile_report()
    things: dict[str, Any] = {
        "problem": hostile_problem(),
        "a report": report,
        "a finding": report.findings[0],
        "a chart": hostile_chart(),
        "a dataset": Dataset.of(hostile_frame(), target=TARGET, name=ALL),
        "a tag": _Shown(verdict_tag(ALL)),
    }
    things |= made_by_a_project(tmp_path_factory.mktemp("hostile") / "store")
    shown = {name: thing._repr_html_() for name, thing in things.items()}
    whole = {f"{n} whole": t.to_html() for n, t in things.items() if hasattr(t, "to_html")}
    return shown | whole | {"a page": html_page(ALL, report.to_html())}


def test_there_are_enough_payloads_and_things_to_show(exhibits: dict[str, str]) -> None:
    assert len(PAYLOADS) >= 40
    assert len(exhibits) >= 30


def test_nothing_that_is_shown_can_run_load_or_leave(exhibits: dict[str, str]) -> None:
    bad = {name: found for name, html in exhibits.items() if (found := read(html).bad)}

    own = {name: ["<body>"] for name in WHOLE_PAGES}
    assert bad == own


def test_the_texts_are_shown_as_they_are(exhibits: dict[str, str]) -> None:
    for name in ("problem", "a report", "a chart", "a page", "card"):
        text = "".join(read(exhibits[name]).text)
        for payload in PAYLOADS:
            assert payload in text, (name, payload)


def test_no_text_closes_or_opens_an_element(exhibits: dict[str, str]) -> None:
    """A report of the same findings with harmless text has the same elements."""
    hostile = hostile_report()
    tame = Report.model_validate_json(
        re.sub(r"[<>&'`]", "x", hostile.to_json().replace('\\"', "x"))
    )

    assert read(hostile.to_html()).open == read(tame.to_html()).open


def test_the_reader_of_this_test_sees_what_it_should() -> None:
    """The payloads are live where nobody escapes them: all but the last seven, which are text."""
    live = [p for p in PAYLOADS if read(f"<p title='{p}'>{p}</p>").bad]

    assert len(live) >= 33


_CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.mark.slow
@pytest.mark.skipif(_CHROMIUM is None, reason="there is no chromium here to run pages in")
def test_a_real_browser_runs_nothing(exhibits: dict[str, str], tmp_path: Path) -> None:
    """Without the page's own policy, as in a notebook; with a control that is not escaped."""
    body = "".join(exhibits[name] for name in exhibits if name != "a page")
    (tmp_path / "page.html").write_text(
        f"<!DOCTYPE html><meta charset=utf-8><title>quiet</title>{body}", encoding="utf-8"
    )
    (tmp_path / "control.html").write_text(
        f"<!DOCTYPE html><meta charset=utf-8><title>quiet</title><p>{PAYLOADS[11]}</p>",
        encoding="utf-8",
    )

    assert _title_in_chromium(tmp_path / "control.html", tmp_path) == "pwned"
    assert _title_in_chromium(tmp_path / "page.html", tmp_path) == "quiet"


def _title_in_chromium(page: Path, folder: Path) -> str:
    assert _CHROMIUM is not None
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=3000"]
    done = subprocess.run(
        [_CHROMIUM, *flags, f"--user-data-dir={folder / 'user'}", "--dump-dom", page.as_uri()],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    found = re.search(r"<title>(.*?)</title>", done.stdout)
    assert found is not None, done.stderr
    return found.group(1)
