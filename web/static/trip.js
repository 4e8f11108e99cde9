"use strict";
// Speed over time; pointing at it shows the place on the map.
(() => {
  const chart = document.getElementById("chart");
  const frame = document.getElementById("trip-map");
  const { points, texts } = JSON.parse(document.getElementById("chart-data").textContent);

  // One line a colour; where the colour changes both lines hold the point, so that there is no hole.
  function line(late, name, colour) {
    const kmh = points.kmh.map((value, i) => (points.off_hours[i] === late || (i && points.off_hours[i - 1] === late) ? value : null));
    return { x: points.time, y: kmh, name, mode: "lines", line: { color: colour, width: 2 }, connectgaps: false, hovertemplate: "%{y:.0f} km/h<extra></extra>" };
  }

  const lines = [];
  if (points.off_hours.includes(false)) lines.push(line(false, texts.duty, "#1d5fa8"));
  if (points.off_hours.includes(true)) lines.push(line(true, texts.off_hours, "#d1480a"));
  const layout = {
    margin: { l: 52, r: 16, t: 12, b: 40 },
    font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: "#1c2430" },
    xaxis: { type: "date", title: { text: texts.time }, gridcolor: "#eef1f4" },
    yaxis: { title: { text: texts.speed }, rangemode: "tozero", gridcolor: "#eef1f4" },
    hovermode: "x",
    legend: { orientation: "h", x: 1, xanchor: "right", y: 1.02, yanchor: "bottom" },
    showlegend: lines.length > 1,
    paper_bgcolor: "#ffffff",
    plot_bgcolor: "#ffffff",
  };
  Plotly.newPlot(chart, lines, layout, { responsive: true, displaylogo: false, modeBarButtonsToRemove: ["lasso2d", "select2d"] });

  function tell(place) {
    frame.contentWindow.postMessage({ place }, window.location.origin);
  }
  chart.on("plotly_hover", (event) => {
    const i = event.points[0].pointIndex;
    tell([points.lat[i], points.lon[i]]);
  });
  chart.on("plotly_unhover", () => tell(null));
})();
