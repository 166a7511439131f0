(root, data, tools) => {
  const place = tools.plot("roc", "Background rejection against signal efficiency, with working points; the cut below " +
    "moves a marker along the curve, and its numbers are read out under it.");
  const last = data.threshold.length - 1;
  const cut = tools.number("Cut on the score", {type: "range", min: 0, max: last, step: 1, value: data.start}, update);
  const above = t => "score above " + t + " (probability of " + data.classes[1] + " above " + (1 / (1 + Math.exp(-t))).toPrecision(3) + ")";
  const curve = {type: "scatter", mode: "lines", x: data.signal, y: data.rejection, line: {width: 2.5, color: tools.colours[0]},
    text: data.threshold.map(t => above(t)), hovertemplate: "signal %{x:.3f}, rejection %{y:.1f}<br>%{text}<extra></extra>"};
  const points = {type: "scatter", mode: "markers", x: data.points.map(p => p.signal), y: data.points.map(p => p.rejection),
    error_y: {type: "data", array: data.points.map(p => p.error), color: tools.colours[3]},
    marker: {size: 9, color: tools.colours[3]}, hovertemplate: "working point<br>signal %{x:.3f}, rejection %{y:.1f}<extra></extra>"};

  function update() {
    const i = Number(cut.value);
    const marker = {type: "scatter", mode: "markers", x: [data.signal[i]], y: [data.rejection[i]], hoverinfo: "skip",
      marker: {size: 15, symbol: "diamond", color: tools.colours[1], line: {width: 1, color: tools.paper()}}};
    tools.draw(place, [curve, points, marker], {xaxis: {title: {text: "signal efficiency (" + data.classes[1] + ")"}, range: [0, 1]},
      yaxis: {title: {text: "background rejection (1 / " + data.classes[0] + " efficiency)"}, type: "log", dtick: 1}, margin: {t: 16, l: 60, r: 12, b: 50}});
    const passed = data.passed[i];
    tools.status.textContent = "S" + above(data.threshold[i]).slice(1) + ": " + tools.percent(data.signal[i]) + " of the " + data.classes[1] + " jets and " +
      passed + " of " + data.background + " " + data.classes[0] + " jets pass (rejection " + data.rejection[i].toFixed(1) +
      (passed < 10 ? "; from fewer than ten jets, this is no measurement)." : ", from " + passed + " jets).");
    cut.setAttribute("aria-valuetext", above(data.threshold[i]));
  }
  update();
}
