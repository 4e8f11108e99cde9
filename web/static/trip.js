"use strict";
// Speed over time; pointing at it shows the place on the map.
(() => {
  const chart = document.getElementById("chart");
  const frame = document.getElementById("trip-map");
  const { points, texts } = JSON.parse(document.getElementById("chart-data").textContent);

  // One line a colour. Where the colour changes both lines hold the point; before a gap the line breaks off.
  function line(late, name, colour) {
    const x = [], y = [], row = [];
    points.kmh.forEach((kmh, i) => {
      if (points.gap[i]) { x.push(points.time[i]); y.push(null); row.push(i); }
      const mine = points.off_hours[i] === late || (i && !points.gap[i] && points.off_hours[i - 1] === late);
      x.push(points.time[i]);
      y.push(mine ? kmh : null);
      row.push(i);
    });
    return { x, y, customdata: row, name, mode: "lines", line: { color: colour, width: 2 }, connectgaps: false, hovertemplate: "%{y:.0f} km/h<extra></extra>" };
  }

  const lines = [];
  if (points.off_hours.includes(false)) lines.push(line(false, texts.duty, "#1d5fa8"));
  if (points.off_hours.includes(true)) lines.push(line(true, texts.off_hours, "#d1480a"));
  const layout = {
    margin: { l: 52, r: 16, t: 28, b: 36 },
    font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: "#1c2430" },
    xaxis: { type: "date", gridcolor: "#eef1f4", tickformat: "%H:%M", hoverformat: "%Y-%m-%d %H:%M:%S", ticks: "outside", ticklen: 6, tickcolor: "#d9dee4" },
    yaxis: { title: { text: texts.speed }, rangemode: "tozero", gridcolor: "#eef1f4" },
    hovermode: "x",
    dragmode: window.matchMedia("(pointer: coarse)").matches ? false : "zoom",
    legend: { orientation: "h", x: 1, xanchor: "right", y: 1.02, yanchor: "bottom" },
    showlegend: lines.length > 1,
    paper_bgcolor: "#ffffff",
    plot_bgcolor: "#ffffff",
  };
  // No mode bar: it would lie over the line on a phone; a double click takes a zoom back.
  Plotly.newPlot(chart, lines, layout, { responsive: true, displayModeBar: false });

  function tell(place) {
    frame.contentWindow.postMessage({ place }, window.location.origin);
  }
  chart.on("plotly_hover", (event) => {
    const i = event.points[0].customdata;
    tell([points.lat[i], points.lon[i]]);
  });
  chart.on("plotly_unhover", () => tell(null));
})();
