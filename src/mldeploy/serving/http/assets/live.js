
// --- live charts --------------------------------------------------------------------------

const EVERY = 2, KEPT = 120;
const history = [];
let last = null;

const quantile = (bounds, counts, share) => {
  const total = counts.reduce((a, b) => a + b, 0);
  if (total <= 0) return null;
  let seen = 0;
  for (let i = 0; i < counts.length; i += 1) {
    seen += counts[i];
    if (seen >= share * total) return bounds[Math.min(i, bounds.length - 1)];
  }
  return bounds[bounds.length - 1];
};

// The least round number that is not below.
const roundUp = (value) => {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].find((k) => k * power >= value * (1 - 1e-9)) * power;
};

const chart = (id, series, format, axis, tell) => {
  const width = 520, height = 150, left = 48, bottom = 20, upper = 8;
  const values = series.flat().filter((v) => v !== null);
  const top = roundUp(Math.max(...values, 1e-6));
  const x = (i) => width - (KEPT - 1 - i) * ((width - left) / (KEPT - 1));
  const y = (v) => height - bottom - (v / top) * (height - bottom - upper);
  const svg = draw("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", class: "chart" });
  const latest = series.map((line) => line.findLast((v) => v !== null) ?? null);
  const told = tell.map((what, k) => `${what} ${latest[k] === null ? "-" : format(latest[k])}`);
  svg.setAttribute("aria-label", told.join(", "));
  for (const share of [0, 0.5, 1]) {
    svg.append(draw("line", { x1: left, x2: width, y1: y(top * share), y2: y(top * share) }));
    const text = draw("text", { x: left - 6, y: y(top * share) + 4, "text-anchor": "end" });
    text.textContent = share && values.length ? axis(top * share) : share ? "" : "0";
    svg.append(text);
  }
  for (const [place, anchor, what] of [[left, "start", `${Math.round((KEPT * EVERY) / 60)} minutes ago`], [width, "end", "now"]]) {
    const text = draw("text", { x: place, y: height - 4, "text-anchor": anchor });
    text.textContent = what;
    svg.append(text);
  }
  series.forEach((line, k) => {
    const skipped = KEPT - line.length;
    const points = line.map((v, i) => v === null ? null : [x(skipped + i), y(v)]).filter((p) => p);
    const written = points.map((p) => p.map((v) => v.toFixed(1)).join(",")).join(" ");
    if (k === 0 && points.length > 1) {
      const ends = `${points.at(-1)[0]},${y(0)} ${points[0][0]},${y(0)}`;
      svg.append(draw("polygon", { points: `${written} ${ends}` }));
    }
    svg.append(draw("polyline", { points: written, class: `line${k}` }));
  });
  const legend = told.map((text, k) => make("span", { className: `told${k}`, textContent: text }));
  $(id).replaceChildren(make("p", { className: "now" }, ...legend), svg);
};

const seconds = (v) => v >= 1 ? `${+v.toPrecision(3)} s`
  : v >= 0.001 ? `${+(v * 1000).toPrecision(3)} ms` : `${+(v * 1e6).toPrecision(3)} µs`;
const perSecond = (v) => `${v >= 100 ? Math.round(v) : v.toFixed(1)} a second`;
const plural = (n, what) => `${n.toLocaleString("en")} ${what}`;

const look = async () => {
  try {
    const response = await fetch(here("live.json"));
    if (!response.ok) throw new Error(`the server said ${response.status}`);
    const now = await response.json();
    now.at = performance.now() / 1000;
    now.wrong = now.failures + now.refused + now.shed;
    if (last !== null && now.requests >= last.requests) {
      const span = now.at - last.at;
      const buckets = now.buckets.map((n, i) => n - last.buckets[i]);
      history.push({
        rate: (now.requests - last.requests) / span,
        wrong: Math.max(now.wrong - last.wrong, 0) / span,
        p50: quantile(now.bounds, buckets, 0.5),
        p99: quantile(now.bounds, buckets, 0.99),
      });
      if (history.length > KEPT) history.shift();
    }
    last = now;
    chart("rate", [history.map((h) => h.rate), history.map((h) => h.wrong)], perSecond, (v) => String(+v.toPrecision(3)),
      ["requests", "refused or failed"]);
    chart("latency", [history.map((h) => h.p50), history.map((h) => h.p99)], seconds, seconds,
      ["half within", "99 % within"]);
    drift(now.drift || []);
    const other = now.version !== data.version ? ` · ${now.version} answers now: load the page again` : "";
    $("state").textContent = `${plural(now.requests, "requests")}, ${plural(now.refused, "refused")}, `
      + `${plural(now.failures, "failed")}, ${plural(now.shed, "turned away")}${other}`;
    $("state").className = "";
  } catch (error) {
    $("state").textContent = `no figures: ${error.message}`;
    $("state").className = "problem";
  }
};

const moved = ({ distance, chance, alarm }) => {
  const bar = draw("svg", { class: "bar moved", viewBox: "0 0 100 7", preserveAspectRatio: "none", "aria-hidden": "true" });
  bar.append(draw("rect", { class: "rail", width: 100, height: 7, rx: 1.5 }),
    draw("rect", { class: alarm ? "far" : "", width: distance * 100, height: 7, rx: 1.5 }));
  if (typeof chance === "number" && chance < 1) {
    bar.append(draw("line", { class: "mark", x1: chance * 100, x2: chance * 100, y1: 0, y2: 7, "vector-effect": "non-scaling-stroke" }));
  }
  return bar;
};

const drift = (columns) => {
  const known = columns.filter(({ distance }) => distance !== null);
  const waiting = columns.filter(({ distance }) => distance === null);
  known.sort((a, b) => Boolean(b.alarm) - Boolean(a.alarm) || b.distance - a.distance);
  const shown = [...known, ...waiting].map((figure) => {
    const { column, distance, n, alarm } = figure;
    const share = distance === null ? "-" : `${(distance * 100).toFixed(1)} %`;
    const rows = `of ${plural(n, n === 1 ? "row" : "rows")}`;
    const text = distance !== null ? `${rows}${alarm ? ", beyond chance" : ""}`
      : n ? `${rows}, nothing to compare with yet` : "no rows yet";
    return make("tr", { className: alarm ? "alarm" : "" }, make("th", { textContent: column, scope: "row" }),
      make("td", {}, ...(distance === null ? [] : [moved(figure)])),
      make("td", { className: "figure", textContent: share }), make("td", { className: "rows", textContent: text }));
  });
  $("drift").replaceChildren(...(shown.length ? shown
    : [make("tr", {}, make("td", { textContent: "nothing is watched yet; rows are seen when they are logged" }))]));
};

look();
setInterval(look, EVERY * 1000);
