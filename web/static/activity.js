"use strict";
// Vehicles with a position, and of these the moving ones, by hour; the open hour is the last bar.
(async () => {
  const place = document.getElementById("activity-chart");
  const { texts } = JSON.parse(document.getElementById("activity-data").textContent);
  const answer = await fetch("/api/activity");
  if (!answer.ok) {
    place.textContent = texts.unreachable;
    return;
  }
  const { activity } = await answer.json();
  // The fleet's own time, whatever zone the browser is in.
  const hours = activity.map((each) => each.start.slice(0, 16).replace("T", " "));
  const bars = (name, values, color) => ({
    x: hours, y: values, name, type: "bar", marker: { color }, hovertemplate: "%{x}: %{y:,d}<extra>" + name + "</extra>",
  });
  const moving = activity.map((each) => each.vehicles_moving);
  const others = activity.map((each) => each.vehicles - each.vehicles_moving);
  const layout = {
    barmode: "stack",
    margin: { l: 56, r: 16, t: 28, b: 36 },
    font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: "#1c2430" },
    xaxis: { type: "date", tickformat: "%H:%M", hoverformat: "%m-%d %H:%M", ticks: "outside", ticklen: 6, tickcolor: "#d9dee4" },
    yaxis: { title: { text: texts.vehicles }, rangemode: "tozero", gridcolor: "#eef1f4", tickformat: ",d", automargin: true },
    bargap: 0.25,
    dragmode: false,
    legend: { orientation: "h", x: 1, xanchor: "right", y: 1.02, yanchor: "bottom" },
    paper_bgcolor: "#ffffff",
    plot_bgcolor: "#ffffff",
  };
  const drawn = [bars(texts.moving, moving, "#1d5fa8"), bars(texts.standing, others, "#a9c4e4")];
  await Plotly.newPlot(place, drawn, layout, { responsive: true, displayModeBar: false });
})();
