(root, data, tools) => {
  const events = data.events.map(packed => {
    const event = {...packed};
    for (const name of ["eta", "phi", "pt", "explained", "error", "share", "maps"]) event[name] = tools.unpack(packed[name], Float32Array);
    for (const name of ["offsets", "seen", "rows"]) event[name] = tools.unpack(packed[name], Int32Array);
    return event;
  });
  const which = tools.choice("Event", events.map((e, i) => [i, "event " + e.index]), () => {
    element.value = events[Number(which.value)].chosen;
    update();
  });
  if (events.length < 2) which.parentElement.hidden = true;
  const element = tools.number("Element", {min: 0, step: 1}, update);
  const plane = tools.plot("event", "All elements of the event in pseudorapidity and azimuth; those that the chosen element " +
    "sees are coloured by their share of its relevance.");
  const map = tools.plot("map", "R-map of the chosen element: share of the absolute relevance by feature, for the element " +
    "itself and for the others that matter most.");
  const ticks = [-4, -3, -2, -1, 0];
  const bar = {title: {text: "share of |R|"}, tickvals: ticks, ticktext: ticks.map(t => t ? "1e" + t : "1"), thickness: 12, outlinewidth: 0};

  function update() {
    const event = events[Number(which.value)], count = event.track.length;
    const i = Math.min(count - 1, Math.max(0, Math.trunc(Number(element.value)) || 0));
    element.max = count - 1;
    const low = Math.log10(event.lowest), logarithm = value => Math.log10(Math.max(value, event.lowest));
    const kind = j => event.track[j] ? "track" : "tower", symbol = j => event.track[j] ? "circle" : "square";
    const about = j => kind(j) + " " + j + ", " + event.pt[j].toFixed(2) + " GeV<br>predicted " +
      event.classes[event.predicted[j]] + ", true " + event.classes[event.true[j]];
    const points = (rows, more) => ({type: "scatter", mode: "markers", customdata: rows, hovertemplate: "%{text}<extra></extra>",
      x: rows.map(j => event.eta[j]), y: rows.map(j => event.phi[j]), text: rows.map(about), ...more});

    const pairs = [];
    for (let p = event.offsets[i]; p < event.offsets[i + 1]; p++) pairs.push([event.seen[p], event.share[p]]);
    const others = pairs.filter(p => p[0] !== i).sort((a, b) => a[1] - b[1]), rows = others.map(p => p[0]);
    const own = pairs.filter(p => p[0] === i).reduce((sum, p) => sum + p[1], 0);
    const all = [...Array(count).keys()];
    const background = points(all, {marker: {size: 4, color: "#9a9a9a", opacity: 0.55, symbol: all.map(symbol)}});
    const coloured = points(rows, {text: others.map(p => about(p[0]) + "<br>share of |R| " + tools.percent(p[1])),
      marker: {size: 10, color: others.map(p => logarithm(p[1])), cmin: low, cmax: 0, colorscale: "Viridis",
        reversescale: true, symbol: rows.map(symbol), line: {width: 0.5, color: "black"}, colorbar: bar}});
    const star = points([i], {marker: {size: 18, symbol: "star", color: tools.colours[1], line: {width: 1, color: "black"}}});
    tools.draw(plane, [background, coloured, star], {title: {text: "Elements in (η, φ)", x: 0.02},
      xaxis: {title: {text: "η"}}, yaxis: {title: {text: "φ [rad]"}, range: [-3.2, 3.2]}});

    const width = event.labels.length, height = event.others + 1, z = [], text = [], names = [];
    for (let row = 0; row < height; row++) {
      const who = event.rows[i * height + row];
      if (who < 0) break;
      const start = (i * height + row) * width, values = Array.from(event.maps.slice(start, start + width));
      names.push(row ? kind(who) + " " + who : "itself");
      z.push(values.map(logarithm));
      text.push(values.map(v => v > 0 ? (v < 0.0005 ? "&lt;.001" : v.toFixed(3)) : ""));
    }
    tools.draw(map, [{type: "heatmap", z, x: event.labels, y: names, text, texttemplate: "%{text}", zmin: low, zmax: 0,
      colorscale: "Blues", reversescale: true, colorbar: bar, hovertemplate: "%{y}: %{x}<br>share of |R| %{text}<extra></extra>"}], {
      title: {text: "R-map of " + kind(i) + " " + i, x: 0.02}, margin: {t: 44, l: 90, r: 12, b: 150},
      xaxis: {tickangle: -45, type: "category"}, yaxis: {autorange: "reversed", type: "category"}});

    tools.status.textContent =
      kind(i) + " " + i + ", " + event.pt[i].toFixed(2) + " GeV: predicted " + event.classes[event.predicted[i]] + ", true " +
      event.classes[event.true[i]] + ". Logit " + event.explained[i].toFixed(3) + "; the element itself carries " +
      tools.percent(own) + " of |R|, " + others.length + " others the rest; error of the ledger " + event.error[i].toExponential(0) + ".";
    root.dataset.chosen = i;
    if (!plane.dataset.listens) {
      plane.dataset.listens = "yes";
      plane.on("plotly_click", clicked => { element.value = clicked.points[0].customdata; update(); });
    }
  }

  // An address that ends in #17 opens element 17.
  const wanted = parseInt(location.hash.slice(1), 10);
  element.value = wanted >= 0 ? wanted : events[0].chosen;
  update();
}
