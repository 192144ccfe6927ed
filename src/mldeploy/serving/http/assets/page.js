"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const make = (tag, props = {}, ...children) => {
  const node = Object.assign(document.createElement(tag), props);
  node.append(...children);
  return node;
};

// --- try one row --------------------------------------------------------------------------

const short = (value) => typeof value === "number" ? String(+value.toPrecision(4)) : String(value);

const rangeOf = ({ minimum, maximum }) => {
  if (minimum === null && maximum === null) return "";
  if (maximum === null) return `, from ${short(minimum)}`;
  if (minimum === null) return `, up to ${short(maximum)}`;
  return `, ${short(minimum)} to ${short(maximum)}`;
};

const fields = new Map();
for (const column of data.columns) {
  const id = `field-${fields.size}`;
  const isChoice = column.kind === "boolean" || (column.closed && column.categories.length < 500);
  const input = isChoice ? make("select", { id }) : make("input", { id, autocomplete: "off" });
  if (isChoice) {
    const choices = column.kind === "boolean" ? ["true", "false"] : column.categories;
    if (column.nullable) input.append(make("option", { value: "", textContent: "(missing)" }));
    for (const c of choices) input.append(make("option", { value: c, textContent: c }));
  } else if (column.categories.length) {
    const list = make("datalist", { id: `${id}-list` });
    for (const c of column.categories) list.append(make("option", { value: c }));
    input.setAttribute("list", list.id);
    $("fields").append(list);
  }
  const example = Object.hasOwn(data.example, column.name) ? data.example[column.name] : null;
  input.value = example === null ? "" : String(example);
  const label = make("label", { htmlFor: id, textContent: column.name });
  const hint = make("small", { id: `${id}-hint`, textContent: `${column.kind}${rangeOf(column)}` });
  const problem = make("span", { id: `${id}-problem`, className: "problem", role: "alert" });
  input.setAttribute("aria-describedby", `${hint.id} ${problem.id}`);
  $("fields").append(make("div", { className: "field" }, label, input, hint, problem));
  fields.set(column.name, { column, input, problem });
}

const NUMBER = /^[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]+)?$/;
const WHOLE = /^-?(0|[1-9][0-9]*)$/;

// As JSON: whole numbers of 64 bits are more than a number of JavaScript holds.
const jsonOf = ({ column, input }) => {
  const text = input.value;
  if (text === "" && (column.kind !== "string" || column.nullable)) return "null";
  if (["integer", "number", "duration"].includes(column.kind)) {
    const trimmed = text.trim();
    if (WHOLE.test(trimmed)) return trimmed;
    if (NUMBER.test(trimmed) && Number.isFinite(Number(trimmed))) return String(Number(trimmed));
  }
  if (column.kind === "boolean" && text !== "") return text;
  return JSON.stringify(text);
};

const headers = { "Content-Type": "application/json" };
// Without the password that the address may bear, which `fetch` refuses.
const here = (name) => new URL(name, location.origin + location.pathname);

$("try").addEventListener("submit", async (event) => {
  event.preventDefault();
  for (const { problem } of fields.values()) problem.textContent = "";
  const members = [...fields].map(([name, field]) => `${JSON.stringify(name)}:${jsonOf(field)}`);
  const answer = $("answer");
  answer.replaceChildren("…");
  try {
    const response = await fetch(here("predict"),
      { method: "POST", headers, body: `{"row":{${members.join(",")}}}` });
    const body = await response.json();
    if (response.ok) {
      show(body);
      return;
    }
    const told = body.error && body.error.message ? body.error.message : JSON.stringify(body);
    answer.replaceChildren(make("p", { className: "problem", textContent: told }));
    for (const wrong of (body.error && body.error.fields) || []) {
      const field = fields.get(wrong.column);
      if (field) field.problem.textContent = wrong.message;
    }
  } catch (error) {
    answer.replaceChildren(make("p", { className: "problem", textContent: String(error) }));
  }
});

const show = (body) => {
  const rows = [["decision", body.prediction], ["decided by", body.route],
    ["version", body.version], ["prediction id", body.id]];
  const list = make("dl");
  for (const [what, value] of rows) {
    list.append(make("dt", { textContent: what }), make("dd", { textContent: String(value) }));
  }
  const scores = Array.isArray(body.score) ? body.score : body.score === null ? [] : [body.score];
  scores.forEach((score, i) => {
    const bar = make("meter", { min: 0, max: 1, value: score });
    const name = scores.length > 1 ? data.classes[i] : data.positive;
    list.append(make("dt", { textContent: `probability of ${String(name)}` }),
      make("dd", {}, bar, ` ${score.toFixed(4)}`));
  });
  $("answer").replaceChildren(list);
};

// --- live charts --------------------------------------------------------------------------

const SVG = "http://www.w3.org/2000/svg";
const history = [];
let last = null;

const quantile = (bounds, counts, share) => {
  const total = counts.reduce((a, b) => a + b, 0);
  if (!total) return null;
  let seen = 0;
  for (let i = 0; i < counts.length; i += 1) {
    seen += counts[i];
    if (seen >= share * total) return bounds[Math.min(i, bounds.length - 1)];
  }
  return bounds[bounds.length - 1];
};

const draw = (id, series, format, tell) => {
  const width = 420, height = 110, values = series.flat().filter((v) => v !== null);
  const top = Math.max(...values, 1e-9);
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", `${id}, up to ${values.length ? format(top) : "nothing yet"}`);
  series.forEach((line, k) => {
    const points = line.map((v, i) => v === null ? null
      : `${(i / Math.max(line.length - 1, 1)) * width},${height - 8 - (v / top) * (height - 24)}`)
      .filter((p) => p !== null);
    const drawn = document.createElementNS(SVG, "polyline");
    drawn.setAttribute("points", points.join(" "));
    drawn.setAttribute("class", `line${k}`);
    svg.append(drawn);
  });
  const text = document.createElementNS(SVG, "text");
  text.setAttribute("x", "2");
  text.setAttribute("y", "12");
  text.textContent = values.length ? `up to ${format(top)}` : "nothing yet";
  svg.append(text);
  const now = series.map((line) => line.length ? line[line.length - 1] : null)
    .map((v) => v === null ? "-" : format(v));
  const told = tell.map((what, k) => make("span", { className: `told${k}`, textContent: `${what} ${now[k]}` }));
  $(id).replaceChildren(svg, make("p", { className: "now" }, ...told));
};

const seconds = (v) => v >= 1 ? `${v} s` : v >= 0.001 ? `${+(v * 1000).toPrecision(3)} ms` : `${Math.round(v * 1e6)} µs`;

const look = async () => {
  try {
    const response = await fetch(here("live.json"));
    if (!response.ok) throw new Error(`the server said ${response.status}`);
    const now = await response.json();
    now.at = performance.now() / 1000;
    if (last !== null) {
      const span = now.at - last.at;
      const buckets = now.buckets.map((n, i) => n - last.buckets[i]);
      history.push({
        rate: (now.requests - last.requests) / span,
        wrong: (now.failures + now.refused - last.failures - last.refused) / span,
        p50: quantile(now.bounds, buckets, 0.5),
        p99: quantile(now.bounds, buckets, 0.99),
      });
      if (history.length > 120) history.shift();
    }
    last = now;
    draw("rate", [history.map((h) => h.rate), history.map((h) => h.wrong)],
      (v) => `${v.toFixed(1)} a second`, ["requests", "refused or failed"]);
    draw("latency", [history.map((h) => h.p50), history.map((h) => h.p99)], seconds,
      ["half within", "99 % within"]);
    drift(now.drift || []);
    $("state").textContent = `${now.requests} requests, ${now.refused} refused, ${now.failures} failed`;
  } catch (error) {
    $("state").textContent = String(error);
  }
};

const drift = (columns) => {
  const rows = columns.map(({ column, distance, n }) => make("tr", {},
    make("th", { textContent: column, scope: "row" }),
    make("td", {}, make("meter", { min: 0, max: 1, low: 0.1, high: 0.2, optimum: 0, value: distance ?? 0 })),
    make("td", { textContent: distance === null ? "unknown" : distance.toFixed(3) }),
    make("td", { textContent: `${n} rows` })));
  $("drift").replaceChildren(...(rows.length ? rows
    : [make("tr", {}, make("td", { textContent: "nothing watched yet" }))]));
};

look();
setInterval(look, 2000);
