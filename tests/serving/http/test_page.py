"""The page at ``/``, in a real browser: a form, an answer, charts, and no script but its own."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from mldeploy.data import Dataset, Schema
from mldeploy.serving import Batcher, MemoryLog, Predictor
from mldeploy.serving.http import (
    About,
    ApiKey,
    ApiKeys,
    Role,
    Served,
    assembly_of,
    serve_in_thread,
)

from .conftest import Opens, Running, card_of

DO = "document.title='pwned'"
HOSTILE = [
    f"<script>{DO}</script>",
    f"</script><script>{DO}</script>",
    f"<!--<script>{DO}",
    f"<img src=x onerror={DO}>",
    f'"><img src=x onerror="{DO}">',
    f"'><svg onload={DO}>",
    f"</option></select><img src=x onerror={DO}>",
    f"</style></title><script>{DO}</script>",
    f"javascript:{DO}",
    "${document.title=1}{{document.title=1}}",
    "\u2028\\u003cscript\\u003e\\",
]
ALL = " ".join(HOSTILE)
NUMBERS = ["__proto__", "constructor", *HOSTILE[:4]]
CATEGORY = HOSTILE[4]


def hostile_model(make_model: Any) -> tuple[Any, pd.DataFrame]:
    """A real model whose columns, categories and classes are all hostile text."""
    base, n = make_model(), 300
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({name: rng.normal(size=n) for name in NUMBERS})
    frame[CATEGORY] = rng.permutation(np.resize(HOSTILE, n))
    frame["target"] = np.resize([HOSTILE[5], HOSTILE[6]], n)
    data = Dataset.of(frame, target="target", name="hostile")
    plain = make_pipeline(
        make_column_transformer(
            (OneHotEncoder(), make_column_selector(dtype_exclude="number")),
            remainder="passthrough",
        ),
        LogisticRegression(),
    ).fit(data.X(), data.y())
    inputs = Schema.infer(data).select(data.features).edit(CATEGORY, closed=True)
    classes = tuple(plain.classes_.tolist())
    signature = base.signature.model_copy(
        update={"inputs": inputs, "classes": classes, "positive": classes[1]}
    )
    return dataclasses.replace(base, estimator=plain, signature=signature), frame


@pytest.fixture(scope="module")
def hostile(make_model: Any) -> Iterator[Running]:
    model, frame = hostile_model(make_model)
    log = MemoryLog()
    predictor = Predictor(model, version=f"{ALL}:1", deployment="hostile", sink=log)
    batcher = Batcher(predictor)
    card = card_of(model, carrier=ALL).to_markdown() + ALL
    row = frame[list(model.signature.inputs.names)].iloc[0].to_dict()
    served = Served(
        name=ALL, answering=predictor, batcher=batcher, about=lambda: About(
            why_not_compiled=ALL, card=card, examples=[row],
            facts={"statement": ALL, "owner": ALL, "criteria": HOSTILE},
        ),
    )  # fmt: skip
    drift = [{"column": one, "distance": 0.3, "n": 1} for one in HOSTILE]
    assembly = assembly_of([served], sink=log, drift=lambda: drift)
    with serve_in_thread(assembly.server(lame_duck=0.0)) as server:
        yield Running(server, assembly, log)
    batcher.close()


# --- without a browser ------------------------------------------------------------------------


def test_the_page_is_one_file_and_lets_no_other_script_run(hostile: Running) -> None:
    found = hostile.ask("GET", "/")

    assert found.headers["content-type"] == "text/html; charset=utf-8"
    policy = found.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert found.headers["x-content-type-options"] == "nosniff"
    page = found.body.decode()
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "")
    assert "https://" not in page
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    own = [base64.b64encode(hashlib.sha256(one.encode()).digest()).decode() for one in scripts]
    assert [f"'sha256-{one}'" in policy for one in own] == [True]
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', page)
    assert data is not None
    columns = json.loads(data[1])["columns"]
    assert [column["name"] for column in columns] == [*NUMBERS, CATEGORY]


def test_the_page_follows_the_version_that_answers(opens: Opens, flight_bundle: Path) -> None:
    with opens(flight_bundle) as running:
        assert b"late:3, compiled" in running.ask("GET", "/").body
        traffic = running.assembly.service.default.answering
        other = Predictor(
            traffic.champion.model, version="late:4", deployment="late", sink=running.log
        )
        traffic.serve(other)
        assert b"late:4, compiled" in running.ask("GET", "/").body


# --- with one ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    websocket = pytest.importorskip(
        "websocket", reason="the browser's tests need websocket-client"
    )
    assert websocket
    from .chromium import CHROMIUM, chromium

    if CHROMIUM is None:
        pytest.skip("there is no chromium here to run pages in")
    with chromium(tmp_path_factory.mktemp("browser")) as found:
        yield found


@pytest.mark.slow
def test_a_row_that_is_typed_in_is_answered(tab: Any, running: Running) -> None:
    tab.open(running.url + "/")
    for field, text in (("#field-0", "40"), ("#field-1", "21"), ("#field-2", "B6")):
        tab.type_into(field, text)

    tab.click("button[type=submit]")
    tab.wait_for("document.querySelector('#answer dl')")

    shown = tab.value("document.querySelector('#answer').innerText")
    logged = running.log.frame().row(-1, named=True)
    assert (logged["wind"], logged["hour"], logged["carrier"]) == (40.0, 21, "B6")
    assert logged["prediction_id"] in shown
    assert f"{logged['score']:.4f}" in shown
    assert str(logged["prediction"]).lower() in shown
    assert "probability of true" in shown
    assert tab.complaints == []


@pytest.mark.slow
def test_a_field_that_does_not_fit_is_told_beside_it(tab: Any, running: Running) -> None:
    tab.open(running.url + "/")
    tab.type_into("#field-0", "strong")
    tab.type_into("#field-1", "9223372036854775808")

    tab.click("button[type=submit]")
    tab.wait_for("document.querySelector('#answer .problem')")

    problems = tab.value("[...document.querySelectorAll('.field .problem')].map(p => p.innerText)")
    assert "'strong'" in problems[0]
    assert "9223372036854775808 is not a whole number of 64 bits" in problems[1]
    assert problems[2:] == ["", ""]
    tab.complaints.clear()  # the browser tells of the status 422


@pytest.mark.slow
def test_whole_numbers_arrive_as_they_were_typed(tab: Any, running: Running) -> None:
    """Beyond 2^53 a number of JavaScript would be another."""
    tab.open(running.url + "/")
    tab.type_into("#field-1", "9007199254740993")
    tab.click("button[type=submit]")
    tab.wait_for("document.querySelector('#answer dl')")
    assert running.log.frame()["hour"][-1] == 9007199254740993


@pytest.mark.slow
def test_the_charts_get_figures(tab: Any, running: Running) -> None:
    tab.open(running.url + "/")
    end, points = time.monotonic() + 20, "document.querySelector('#rate .line0')"
    while not tab.value(f"Boolean({points} && {points}.getAttribute('points').includes(' '))"):
        assert time.monotonic() < end
        running.post("/predict", {"row": {"wind": 1.0, "hour": 1, "carrier": "AA", "score": 1.0}})
        time.sleep(0.05)

    told = tab.value("document.querySelector('main').innerText")
    assert re.search(r"requests [1-9][0-9]*[.][0-9] a second", told)
    assert re.search(r"half within [0-9.]+ (µs|ms|s)", told)
    assert tab.complaints == []


@pytest.mark.slow
def test_a_key_is_the_password_that_the_browser_asks_for(
    tab: Any, opens: Opens, flight_bundle: Path
) -> None:
    key, secret = ApiKey.new("ana", [Role.OBSERVE, Role.PREDICT])
    with opens(flight_bundle, permits=ApiKeys([key])) as running:
        tab.open(running.url + "/", url=f"http://ana:{secret}@127.0.0.1:{running.port}/")
        tab.click("button[type=submit]")
        tab.wait_for("document.querySelector('#answer dl, #answer .problem')")
        assert "prediction id" in tab.value("document.querySelector('#answer').innerText")
        tab.wait_for("document.querySelector('#state').innerText.includes('requests')")
    assert tab.complaints == []


@pytest.mark.slow
def test_hostile_names_values_and_texts_run_nothing(tab: Any, hostile: Running) -> None:
    tab.open(hostile.url + "/")
    tab.click("button[type=submit]")
    tab.wait_for("document.querySelector('#answer dl')")
    tab.wait_for("document.querySelectorAll('#drift tr').length > 1")

    assert tab.value("document.title") == ALL
    elements = "main img, main iframe, main svg[onload], header img, [onerror], [onload]"
    assert tab.value(f"document.querySelectorAll({json.dumps(elements)}).length") == 0
    assert tab.value("document.scripts.length") == 2
    labels = tab.value("[...document.querySelectorAll('label')].map(one => one.textContent)")
    assert labels == [*NUMBERS, CATEGORY]
    choices = tab.value("[...document.querySelectorAll('option')].map(one => one.textContent)")
    assert sorted(choices) == sorted(HOSTILE)
    drift = tab.value("[...document.querySelectorAll('#drift th')].map(one => one.textContent)")
    assert drift == HOSTILE
    row = hostile.log.frame().row(-1, named=True)
    typed = tab.value("[...document.querySelectorAll('.field input')].map(one => one.value)")
    assert [row[name] for name in NUMBERS] == [float(text) for text in typed]
    cells = tab.value("[...document.querySelectorAll('.card td')].map(one => one.textContent)")
    assert " ".join(f"Too low for {ALL}.".split()) in cells
    assert tab.complaints == []


@pytest.mark.slow
def test_the_policy_stops_what_would_get_through(tab: Any, hostile: Running) -> None:
    """A control: markup that is put into the page by force runs nothing either."""
    tab.open(hostile.url + "/")
    tab.value(
        "document.body.insertAdjacentHTML('beforeend', "
        '\'<img src="data:,x" onerror="document.title=`pwned`">\')'
    )
    tab.wait_for("document.querySelector('img').complete")
    time.sleep(0.3)
    assert tab.value("document.title") == ALL
    assert any("Content Security Policy" in one for one in tab.complaints)
    tab.complaints.clear()


@pytest.mark.slow
def test_the_answer_says_why_where_it_is_asked(tab: Any, running: Running) -> None:
    tab.open(running.url + "/")
    tab.click("button[type=submit]")
    tab.wait_for("document.querySelector('#answer .why-bars')")

    said = tab.value("document.querySelector('#answer .why').innerText")
    score = running.log.frame()["score"][-1]
    assert f"is {float(f'{score:.4g}'):g}, and" in said
    told = tab.value("document.querySelector('.why-bars').innerText")
    assert all(re.search(rf"{name} = ", told) for name in ("wind", "hour", "carrier"))
    assert len(re.findall(r"[+\u2212][0-9]", told)) == 4

    tab.click("#explain")
    tab.click("button[type=submit]")
    tab.wait_for("document.querySelector('#answer dl') && !document.querySelector('.why-bars')")
    assert tab.complaints == []


@pytest.mark.slow
def test_a_column_that_drifts_is_told_first_and_in_words(
    tab: Any, opens: Opens, flight_bundle: Path
) -> None:
    figures = {"n_reference": 600, "against": "training"}
    drift = [
        {"column": "calm", "distance": 0.02, "n": 500, "chance": 0.1, "alarm": False, **figures},
        {"column": "new", "distance": None, "n": 0, "chance": None, "alarm": False, **figures},
        {"column": "far", "distance": 0.6, "n": 500, "chance": 0.25, "alarm": True, **figures},
    ]
    with opens(flight_bundle, drift=lambda: drift) as running:
        tab.open(running.url + "/")
        tab.wait_for("document.querySelectorAll('#drift tr').length === 3")
        rows = tab.value("[...document.querySelectorAll('#drift tr')].map(one => one.innerText)")
        assert [re.split(r"\s+", row.strip())[0] for row in rows] == ["far", "calm", "new"]
        assert "60.0 %" in rows[0]
        assert "of 500 rows, beyond chance" in rows[0]
        assert "beyond chance" not in rows[1]
        assert "no rows yet" in rows[2]
        mark = tab.value("document.querySelector('#drift .mark').getAttribute('x1')")
        assert float(mark) == 25.0


@pytest.mark.slow
def test_the_card_that_travels_in_the_bundle_is_shown_with_its_tables(
    tab: Any, running: Running
) -> None:
    tab.open(running.url + "/")

    headings = tab.value("[...document.querySelectorAll('.card h4')].map(one => one.textContent)")
    tables = tab.value(
        "[...document.querySelectorAll('.card table')].map(table => "
        "[...table.rows].map(row => [...row.cells].map(cell => cell.innerText)))"
    )
    assert headings[:3] == ["What it is for", "At a glance", "What must hold"]
    glance, hold, found = tables[1], tables[2], tables[4]
    assert glance[0] == ["Question", "Verdict", "Findings", "In words"]
    assert glance[1][:2] == ["Criteria", "FAIL"]
    assert ["Fairness", "not done"] in [row[:2] for row in glance]
    assert hold[1] == ["accuracy", "accuracy at least 0.1", "95%", "blocker"]
    assert found[2][:5] == ["FAIL", "recall", "carrier=B6", "0.42", "0.6"]
    assert tab.complaints == []


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_look_at_a_drawn_card(
    tab: Any, make_model: Any, tmp_path: Path, scheme: str
) -> None:
    """The page of a card, tables open: contrast as above, and no wider than a narrow screen."""
    place = tmp_path / "card.html"
    place.write_text(card_of(make_model()).to_html(), encoding="utf-8")
    tab.emulate(width=360, height=900, scheme=scheme)
    tab.open(place.as_uri())
    tab.value("document.querySelectorAll('details').forEach(one => { one.open = true; })")

    contrast, where = tab.value(_CONTRAST)
    assert contrast >= 4.5, where
    assert tab.value("document.documentElement.scrollWidth") <= 360
    assert tab.value("document.querySelectorAll('figure svg[role=img] > title').length") == 1
    dark = tab.value("getComputedStyle(document.body).backgroundColor") == "rgb(13, 17, 23)"
    assert dark is (scheme == "dark")
    tab.emulate()
    assert tab.complaints == []


@pytest.mark.slow
def test_an_open_page_says_that_another_version_answers(
    tab: Any, opens: Opens, flight_bundle: Path
) -> None:
    with opens(flight_bundle) as running:
        tab.open(running.url + "/")
        traffic = running.assembly.service.default.answering
        model = traffic.champion.model
        traffic.serve(Predictor(model, version="late:4", deployment="late", sink=running.log))
        state = "document.querySelector('#state').innerText"
        tab.wait_for(f"{state}.includes('late:4 answers now')")


_CONTRAST = """(() => {
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (node) => {
    for (let one = node; one; one = one.parentElement) {
      const colour = parse(getComputedStyle(one).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found = [];
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !node.getClientRects().length) continue;
    const style = getComputedStyle(node);
    const ink = parse(node.namespaceURI.includes('svg') ? style.fill : style.color);
    const [a, b] = [light(ink), light(behind(node))].sort((x, y) => y - x);
    found.push([(a + 0.05) / (b + 0.05), walker.currentNode.data.trim().slice(0, 40)]);
  }
  return found.sort((x, y) => x[0] - y[0])[0];
})()"""


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_read_it(tab: Any, running: Running, scheme: str) -> None:
    """Contrast of all text is at least 4.5 (WCAG 2.2, 1.4.3); every field has one label; nothing
    is wider than a narrow screen."""
    tab.emulate(width=360, height=900, scheme=scheme)
    tab.open(running.url + "/")
    tab.type_into("#field-0", "strong")
    tab.click("button[type=submit]")
    tab.wait_for("document.querySelector('.field.wrong .problem')?.textContent")
    tab.wait_for("document.querySelector('#latency svg')")

    contrast, where = tab.value(_CONTRAST)
    assert contrast >= 4.5, where
    assert tab.value("document.documentElement.scrollWidth") <= 360
    labels = "[...document.querySelectorAll('input, select')].map(one => one.labels.length)"
    assert set(tab.value(labels)) == {1}
    dark = tab.value("getComputedStyle(document.body).backgroundColor") == "rgb(13, 17, 23)"
    assert dark is (scheme == "dark")
    tab.emulate()
    tab.complaints.clear()
