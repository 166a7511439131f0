"use strict";
// What the parts of a report share. Each part is a function (root, data, tools); `tools` is built below.
const report = {parts: []};

report.start = async () => {
  await report.library();
  for (const [number, draw] of report.parts.entries()) {
    const root = document.getElementById("part-" + number);
    const data = JSON.parse(document.getElementById("data-" + number).textContent);
    await draw(root, data, report.tools(root));
    root.dataset.drawn = "yes";
  }
};

// The drawing library lies in the page, compressed; the policy of the page knows its hash.
report.library = async () => {
  const packed = document.getElementById("library");
  if (!packed) return;
  const bytes = Uint8Array.from(atob(packed.textContent.trim()), c => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const script = document.createElement("script");
  script.textContent = await new Response(stream).text();
  document.head.append(script);
};

report.tools = root => {
  const make = (tag, attributes = {}, ...inner) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...inner);
    return element;
  };
  const controls = make("div", {class: "controls"}), plots = make("div", {class: "plots"});
  const status = make("p", {class: "status", role: "status"});
  root.append(controls, plots, status);

  const labelled = (text, input) => controls.append(make("label", {}, text + " ", input));
  // A list to choose from: options are [value, text].
  const choice = (text, options, change) => {
    const select = make("select", {}, ...options.map(([value, name]) => make("option", {value}, name)));
    select.addEventListener("change", () => change());
    labelled(text, select);
    return select;
  };
  // A number or a slider.
  const number = (text, attributes, change) => {
    const input = make("input", {type: "number", ...attributes});
    input.addEventListener("input", () => change());
    labelled(text, input);
    return input;
  };
  // A place for a plot, with words for those who can't see it.
  const plot = (name, description, low = false) => {
    const place = make("div", {id: name, class: low ? "plot low" : "plot", role: "img", "aria-label": description});
    plots.append(place);
    new ResizeObserver(() => place.classList.contains("js-plotly-plot") && Plotly.Plots.resize(place)).observe(place);
    return place;
  };
  const styled = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  // Draw, or draw anew, in the colours and letters of the page.
  const draw = (place, traces, layout) => {
    const ink = styled("--ink"), line = styled("--line");
    const axis = {gridcolor: line, linecolor: line, zeroline: false, automargin: true};
    const merged = {
      paper_bgcolor: "transparent", plot_bgcolor: "transparent", uirevision: "kept", showlegend: false,
      font: {family: styled("--sans"), size: 13, color: ink}, margin: {t: 44, l: 60, r: 12, b: 50},
      hovermode: "closest", ...layout, xaxis: {...axis, ...layout.xaxis}, yaxis: {...axis, ...layout.yaxis}};
    const drawn = place.classList.contains("js-plotly-plot");
    const done = Plotly.react(place, traces, merged, {displayModeBar: false, responsive: true});
    if (!drawn) matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      const colour = styled("--ink"), grid = styled("--line");
      Plotly.relayout(place, {"font.color": colour, "xaxis.gridcolor": grid, "yaxis.gridcolor": grid});
    });
    return done;
  };
  const unpack = (text, kind) => new kind(Uint8Array.from(atob(text), c => c.charCodeAt(0)).buffer);
  const percent = value => (100 * value).toFixed(value < 0.01 ? 2 : 1) + " %";
  return {make, choice, number, plot, draw, unpack, percent, status, ink: () => styled("--ink"),
    paper: () => styled("--paper"), colours: ["#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7"]};
};
