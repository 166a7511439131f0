// Asks the server that this page came from, and shows its answer: outputs, and which elements and features mattered.
"use strict";

const ROWS = 15;
const form = document.getElementById("try");
const place = document.getElementById("answer");

function element(name, text, attributes = {}) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function number(value) {
  return typeof value === "number" ? Number(value.toPrecision(4)).toString().replace("-", "\u2212") : String(value);
}

function table(caption, head, rows) {
  const made = element("table");
  made.append(element("caption", caption));
  const top = element("tr");
  for (const name of head) top.append(element("th", name, { scope: "col" }));
  made.append(element("thead"));
  made.tHead.append(top);
  const body = element("tbody");
  for (const cells of rows) {
    const row = element("tr");
    for (const cell of cells) {
      const one = element("td");
      one.append(cell instanceof Node ? cell : document.createTextNode(cell));
      row.append(one);
    }
    body.append(row);
  }
  made.append(body);
  const around = element("div", undefined, { class: "scroll", tabindex: "0", role: "region", "aria-label": caption });
  around.append(made);
  return around;
}

// A bar from the middle: to the right speaks for what is explained, to the left against it.
function bar(value, largest) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  const width = 60 * Math.abs(value) / (largest || 1);
  for (const [key, text] of [["width", 124], ["height", 14], ["aria-hidden", "true"]]) svg.setAttribute(key, text);
  const box = document.createElementNS(space, "rect");
  const shape = { x: value < 0 ? 62 - width : 62, y: 1, width, height: 12, class: value < 0 ? "minus" : "plus" };
  for (const [key, text] of Object.entries(shape)) box.setAttribute(key, text);
  svg.append(box);
  return svg;
}

function outputs(answer) {
  const rows = [];
  const columns = answer.columns || {};
  for (const [name, values] of Object.entries(answer)) {
    if (["columns", "elements", "relevance", "ledger", "outside", "explained"].includes(name) || name.startsWith("edge")) continue;
    const flat = Array.isArray(values) ? values : [values];
    if (flat.length && Array.isArray(flat[0])) {
      flat.slice(0, ROWS).forEach((row, at) => rows.push([`${name} of element ${at}`, row.map(number).join("  ")]));
      continue;
    }
    flat.forEach((value, at) => rows.push([(columns[name] || [])[at] ? `${name}: ${columns[name][at]}` : name, number(value)]));
  }
  return table("What the model says", ["output", "value"], rows);
}

function why(answer) {
  const names = (answer.columns && answer.columns.relevance) || [];
  const sums = answer.relevance.map((row) => row.reduce((sum, value) => sum + value, 0));
  const largest = Math.max(...sums.map(Math.abs), 0);
  const rows = answer.elements.slice(0, ROWS).map((at, place) => [
    String(at), number(sums[place]), bar(sums[place], largest), ...answer.relevance[place].map(number),
  ]);
  const what = form.dataset.explained || "what is explained";
  const caption = `Why: what each element and feature contributes to ${what} (the most relevant first)`;
  return table(caption, ["element", "sum", "as a bar", ...names], rows);
}

// The account closes: elements, and what biases, stabiliser and empty denominators took, sum to what is explained.
function account(answer) {
  const names = (answer.columns && answer.columns.ledger) || [];
  const parts = answer.ledger.slice(0, -1).map((value, at) => [value, names[at] || `part ${at}`]);
  const others = parts.reduce((sum, [value]) => sum + value, 0);
  const told = parts.map(([value, name]) => `${number(value)} (${name})`).join(" + ");
  const what = form.dataset.explained || "What is explained";
  return element("p", `${what} = ${number(answer.explained)} = ${number(answer.explained - others)} (all elements) + ${told}`);
}

function show(answer) {
  const parts = [outputs(answer)];
  if (answer.outside && answer.outside.length) {
    parts.push(element("p", `Outside of what the model knows: ${answer.outside.join("; ")}`, { class: "wrong" }));
  }
  if (answer.relevance) parts.push(why(answer), account(answer));
  place.replaceChildren(...parts);
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  place.replaceChildren(element("p", "Asking …"));
  try {
    const body = JSON.parse(document.getElementById("request").value);
    if (document.getElementById("explain").checked) body.params = { explain: true, top: ROWS, ...body.params };
    const headers = { "Content-Type": "application/json" };
    const token = document.getElementById("token");
    if (token && token.value) headers.Authorization = `Bearer ${token.value}`;
    const response = await fetch("invocations", { method: "POST", headers, body: JSON.stringify(body) });
    const found = await response.json();
    if (!response.ok) throw new Error(found.message || String(response.status));
    show(found.predictions[0]);
  } catch (error) {
    place.replaceChildren(element("p", error.message, { class: "wrong" }));
  }
});

// An address with #ask shows the answer to the example at once.
if (location.hash === "#ask") form.requestSubmit();
