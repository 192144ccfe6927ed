"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const make = (tag, props = {}, ...children) => {
  const node = Object.assign(document.createElement(tag), props);
  node.append(...children);
  return node;
};
const SVG = "http://www.w3.org/2000/svg";
const draw = (tag, attributes = {}, ...children) => {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
};
// Without the password that the address may bear, which `fetch` refuses.
const here = (name) => new URL(name, location.origin + location.pathname);

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
  } else if (["integer", "number"].includes(column.kind)) {
    input.inputMode = "decimal";
  }
  const example = Object.hasOwn(data.example, column.name) ? data.example[column.name] : null;
  input.value = example === null ? "" : String(example);
  if (!isChoice && column.nullable) input.placeholder = "(missing)";
  const label = make("label", { htmlFor: id, textContent: column.name });
  const hint = make("small", { id: `${id}-hint`, textContent: `${column.kind}${rangeOf(column)}` });
  const problem = make("span", { id: `${id}-problem`, className: "problem", role: "alert" });
  input.setAttribute("aria-describedby", `${hint.id} ${problem.id}`);
  const box = make("div", { className: "field" }, label, input, hint, problem);
  $("fields").append(box);
  fields.set(column.name, { column, input, problem, box });
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

const complain = (problem, message) => {
  problem.textContent = message;
  const input = problem.closest(".field")?.querySelector("input, select");
  input?.setAttribute("aria-invalid", message ? "true" : "false");
  problem.closest(".field")?.classList.toggle("wrong", Boolean(message));
};

$("try").addEventListener("submit", async (event) => {
  event.preventDefault();
  for (const { problem } of fields.values()) complain(problem, "");
  const members = [...fields].map(([name, field]) => `${JSON.stringify(name)}:${jsonOf(field)}`);
  const explain = $("explain")?.checked ? ',"explain":true' : "";
  const button = document.querySelector("#try button");
  button.disabled = true;
  try {
    const response = await fetch(here("predict"), {
      method: "POST", headers: { "Content-Type": "application/json" },
      body: `{"row":{${members.join(",")}}${explain}}`,
    });
    const body = await response.json();
    if (response.ok) {
      show(body);
      return;
    }
    tell(body.error && body.error.message ? body.error.message : JSON.stringify(body));
    let first = null;
    for (const wrong of (body.error && body.error.fields) || []) {
      const field = fields.get(wrong.column);
      if (!field) continue;
      complain(field.problem, wrong.message);
      first ??= field.input;
    }
    first?.focus();
  } catch (error) {
    tell(String(error));
  } finally {
    button.disabled = false;
  }
});

const tell = (message) => {
  $("answer").className = "told";
  $("answer").replaceChildren(make("p", { className: "problem", textContent: message }));
};

const barOf = (share) => {
  const bar = draw("svg", { class: "bar", viewBox: "0 0 100 7", preserveAspectRatio: "none", "aria-hidden": "true" });
  bar.append(draw("rect", { class: "rail", width: 100, height: 7, rx: 1.5 }),
    draw("rect", { width: Math.min(Math.max(share, 0), 1) * 100, height: 7, rx: 1.5 }));
  return bar;
};

const show = (body) => {
  const list = make("dl", { className: "scores" });
  const scores = Array.isArray(body.score) ? body.score : body.score === null ? [] : [body.score];
  scores.forEach((score, i) => {
    const name = scores.length > 1 ? data.classes[i] : data.positive;
    const figure = make("span", { className: "figure", textContent: score.toFixed(4) });
    const what = data.probabilistic ? `probability of ${String(name)}` : `score of ${String(name)}`;
    list.append(make("dt", { textContent: what }), make("dd", {}, barOf(score), figure));
  });
  const facts = make("dl");
  for (const [what, value] of [["decided by", deciders[body.route] || body.route],
    ["version", body.version], ["prediction id", body.id]]) {
    facts.append(make("dt", { textContent: what }), make("dd", { textContent: String(value) }));
  }
  const decision = make("p", { className: "decision", textContent: `${data.target} = ${String(body.prediction)}` });
  $("answer").className = "told";
  $("answer").replaceChildren(decision, list, facts, ...(body.explanation ? why(body.explanation) : []));
};

const deciders = {
  automatic: "the model alone (automatic)", review: "a person, who reviews it (review)",
  advice: "a person, whom it advises (advice)",
};

const why = ({ answer, base, unit, contributions }) => {
  const shown = [...contributions].sort((a, b) => Math.abs(b.amount) - Math.abs(a.amount)).slice(0, 8);
  const largest = Math.max(...shown.map((c) => Math.abs(c.amount)), 1e-12);
  const bars = make("div", { className: "why-bars" });
  for (const { column, value, amount } of shown) {
    const told = `${column} = ${value === null ? "missing" : short(value)}`;
    const length = (Math.abs(amount) / largest) * 50;
    const bar = draw("svg", { class: "bar", viewBox: "0 0 100 7", preserveAspectRatio: "none", "aria-hidden": "true" });
    bar.append(draw("rect", { class: "rail", x: 49.75, width: 0.5, height: 7 }),
      draw("rect", { class: amount < 0 ? "down" : "up", x: amount < 0 ? 50 - length : 50, width: length, height: 7 }));
    const figure = `${amount < 0 ? "−" : "+"}${Math.abs(amount).toPrecision(2)}`;
    bars.append(make("span", { textContent: told, title: told }), bar,
      make("span", { className: "figure", textContent: figure }));
  }
  const headline = `Why: ${unit} is ${short(answer)}, and ${short(base)} on average`;
  return [make("h3", { className: "why", textContent: headline }), bars];
};
