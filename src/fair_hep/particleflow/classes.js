(root, data, tools) => {
  const kind = tools.choice("Class", data.classes.map((c, i) => [i, c.name]), () => { reset(); update(); });
  const cut = tools.number("Lead of the class's logit", {type: "range", min: 0, step: 1}, update);
  const place = tools.plot("classes", "Efficiency against fake rate of the chosen class, when it is given more or less readily; " +
    "the rules are one point.");

  function reset() {
    const now = data.classes[Number(kind.value)];
    cut.max = now.margin.length - 1;
    cut.value = now.start;
  }
  function update() {
    const now = data.classes[Number(kind.value)], i = Number(cut.value);
    const curve = {type: "scatter", mode: "lines", x: now.fake, y: now.efficiency, line: {width: 2.5, color: tools.colours[0]},
      name: "network", hovertemplate: "fake rate %{x:.3f}, efficiency %{y:.3f}<extra>network</extra>"};
    const here = {type: "scatter", mode: "markers", x: [now.fake[i]], y: [now.efficiency[i]], name: "chosen", hoverinfo: "skip",
      marker: {size: 15, symbol: "diamond", color: tools.colours[1], line: {width: 1, color: tools.paper()}}};
    const rules = {type: "scatter", mode: "markers", x: [now.rules.fake], y: [now.rules.efficiency], name: "rules",
      marker: {size: 12, symbol: "square", color: tools.colours[3]},
      hovertemplate: "fake rate %{x:.3f}, efficiency %{y:.3f}<extra>rules</extra>"};
    tools.draw(place, [curve, rules, here], {xaxis: {title: {text: "fake rate"}, rangemode: "tozero"},
      yaxis: {title: {text: "efficiency"}, range: [0, 1.03]}, showlegend: true, legend: {orientation: "h", y: 1.1},
      margin: {t: 30, l: 60, r: 12, b: 50}});
    tools.status.textContent = now.name + ", lead of at least " + now.margin[i] + ": efficiency " + tools.percent(now.efficiency[i]) +
      ", fake rate " + tools.percent(now.fake[i]) + "; rules: " + tools.percent(now.rules.efficiency) + " and " +
      tools.percent(now.rules.fake) + "; " + now.elements + " elements are of this class.";
    cut.setAttribute("aria-valuetext", "lead of at least " + now.margin[i]);
  }
  // The first class is "none": no particle. Start with one.
  kind.value = Math.min(1, data.classes.length - 1);
  reset();
  update();
}
