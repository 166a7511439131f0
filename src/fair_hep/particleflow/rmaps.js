(root, data, tools) => {
  const output = tools.choice("Output", data.outputs.map((o, i) => [i, o.name]), fill);
  const cell = tools.choice("Elements", [], update);
  const place = tools.plot("rmap", "R-map: share of the absolute relevance by feature, for the element itself and for the " +
    "others, the most relevant one first.");

  function fill() {
    cell.replaceChildren(...data.outputs[Number(output.value)].cells.map((c, i) => tools.make("option", {value: i}, c.name)));
    update();
  }
  function update() {
    const now = data.outputs[Number(output.value)].cells[Number(cell.value)];
    const z = now.mean.map(row => row.map(v => Math.log10(Math.max(v, data.lowest)))), low = Math.log10(data.lowest);
    const text = now.mean.map((row, r) => row.map((v, c) => v > 0 ? (v < 0.0005 ? "&lt;.001" : v.toFixed(3)) : ""));
    const hover = now.mean.map((row, r) => row.map((v, c) => v.toFixed(4) + " ± " + (now.error ? now.error[r][c].toFixed(4) : "unknown")));
    const names = now.rows.map(row => row.replace(" (", "<br>("));
    tools.draw(place, [{type: "heatmap", z, x: data.features, y: names, text, customdata: hover, texttemplate: "%{text}", zmin: low,
      zmax: 0, colorscale: "Blues", reversescale: true, hovertemplate: "%{y}: %{x}<br>share of |R| %{customdata}<extra></extra>",
      colorbar: {title: {text: "share of |R|"}, tickvals: [-4, -3, -2, -1, 0], ticktext: ["1e-4", "1e-3", "1e-2", "1e-1", "1"],
        thickness: 12, outlinewidth: 0}}], {title: {text: now.name, x: 0.02}, margin: {t: 44, l: 170, r: 12, b: 150},
      xaxis: {tickangle: -45, type: "category"}, yaxis: {autorange: "reversed", type: "category"}});
    const sums = data.features.map((_, c) => now.mean.reduce((a, row) => a + row[c], 0));
    const best = sums.indexOf(Math.max(...sums)), own = now.mean[0].reduce((a, b) => a + b, 0);
    tools.status.textContent = now.elements + " elements; the element itself carries " + tools.percent(own) +
      " of |R|; the feature that carries most, over all rows, is " + data.features[best] + " (" + tools.percent(sums[best]) + ").";
  }
  fill();
}
