"use strict";
// Mileage against baseline by month, with the interval of the mileage.
(() => {
  const { months, texts } = JSON.parse(document.getElementById("savings-data").textContent);
  const bars = {
    x: months.month, y: months.actual, name: texts.actual, type: "bar", marker: { color: "#1d5fa8" },
    error_y: { type: "data", symmetric: false, array: months.above, arrayminus: months.below, color: "#12233a", thickness: 1.5, width: 5 },
    hovertemplate: "%{x}: %{y:,.0f} km<extra></extra>",
  };
  const line = {
    x: months.month, y: months.baseline, name: texts.baseline, mode: "lines+markers", line: { color: "#d1480a", width: 2, shape: "hvh" }, marker: { size: 7 },
    hovertemplate: "%{x}: %{y:,.0f} km<extra></extra>",
  };
  const layout = {
    margin: { l: 70, r: 16, t: 28, b: 36 },
    font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: "#1c2430" },
    xaxis: { type: "category", automargin: true, ticks: "outside", ticklen: 6, tickcolor: "#d9dee4" },
    yaxis: { title: { text: texts.km }, rangemode: "tozero", gridcolor: "#eef1f4", tickformat: ",d" },
    bargap: 0.45,
    dragmode: false,
    legend: { orientation: "h", x: 1, xanchor: "right", y: 1.02, yanchor: "bottom" },
    paper_bgcolor: "#ffffff",
    plot_bgcolor: "#ffffff",
  };
  Plotly.newPlot("savings-chart", [bars, line], layout, { responsive: true, displayModeBar: false });
})();
