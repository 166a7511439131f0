(root, data, tools) => {
  const jet = tools.choice("Jet", data.jets.map((j, i) => [i, j.name]), () => { one.value = ""; update(); });
  const block = tools.choice("Edges of", data.jets[0].edges.map((_, i) => [i, data.place + " " + (i + 1)]), update);
  block.value = data.jets[0].edges.length - 1;
  const colour = tools.choice("Colour", [["relevance", "relevance"], ["subjet", "subjet"]], update);
  const one = tools.number("Constituent (empty: all)", {min: 0, step: 1}, update);
  const event = tools.plot("jet", "Constituents of the chosen jet around its axis, with its most relevant edges.");
  const bars = tools.plot("features", "Relevance of each feature, of the chosen constituent or of the whole jet.");
  const levels = [[0.25, 1], [0.5, 1.8], [0.75, 2.8], [0.95, 4]];

  function edges(now, place) {
    const list = now.edges[place], largest = Math.max(...list.map(e => e[2]), 1e-30);
    return levels.map(([opacity, width], level) => {
      const x = [], y = [];
      for (const [i, j, share] of list) {
        if (Math.min(3, Math.floor(4 * share / largest)) !== level) continue;
        x.push(now.eta[i], now.eta[j], null);
        y.push(now.phi[i], now.phi[j], null);
      }
      return {type: "scatter", mode: "lines", x, y, hoverinfo: "skip", opacity, line: {width, color: tools.ink()}};
    });
  }

  function update() {
    const now = data.jets[Number(jet.value)], count = now.pt.length;
    const sums = now.relevance.map(row => row.reduce((a, b) => a + b, 0));
    const chosen = one.value === "" ? -1 : Math.min(count - 1, Math.max(0, Math.trunc(Number(one.value))));
    one.max = count - 1;
    const reach = Math.max(...sums.map(Math.abs), 1e-30);
    const paint = colour.value === "relevance"
      ? {color: sums, cmin: -reach, cmax: reach, colorscale: [[0, tools.colours[0]], [0.5, "#efece5"], [1, tools.colours[1]]],
         colorbar: {title: {text: "relevance"}, thickness: 12, outlinewidth: 0}}
      : {color: now.subjet.map(s => s < 0 ? "#888888" : tools.colours[s])};
    const points = {type: "scatter", mode: "markers", x: now.eta, y: now.phi, customdata: sums.map((_, i) => i),
      text: sums.map((sum, i) => "constituent " + i + ", pT " + now.pt[i].toFixed(2) + " GeV<br>relevance " + sum.toPrecision(3)),
      hovertemplate: "%{text}<extra></extra>", marker: {...paint, size: now.pt.map(pt => 6 + 2.2 * Math.sqrt(pt)),
        opacity: 1, line: {width: sums.map((_, i) => i === chosen ? 4 : 1), color: tools.ink()}}};
    tools.draw(event, [...edges(now, Number(block.value)), points], {title: {text: now.name, x: 0.02},
      xaxis: {title: {text: "Δη"}}, yaxis: {title: {text: "Δφ [rad]"}, scaleanchor: "x"}});
    const values = data.features.map((_, f) => chosen < 0
      ? now.relevance.reduce((a, row) => a + row[f], 0) : now.relevance[chosen][f]);
    tools.draw(bars, [{type: "bar", orientation: "h", x: values, y: data.features, marker: {color: values.map(
      v => v < 0 ? tools.colours[0] : tools.colours[1])}, hovertemplate: "%{y}: %{x:.3f}<extra></extra>"}], {
      title: {text: chosen < 0 ? "all constituents" : "constituent " + chosen, x: 0.02},
      xaxis: {title: {text: "relevance, in the unit of the score"}}, yaxis: {autorange: "reversed", type: "category"}});
    tools.status.textContent = now.account + (chosen < 0 ? "" : " Constituent " + chosen + " has pT " +
      now.pt[chosen].toFixed(2) + " GeV and relevance " + sums[chosen].toFixed(3) + ".");
    if (!event.dataset.listens) {
      event.dataset.listens = "yes";
      event.on("plotly_click", found => {
        const at = found.points.find(p => p.customdata !== undefined);
        if (at) { one.value = at.customdata; update(); }
      });
    }
  }
  update();
}
