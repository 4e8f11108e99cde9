"use strict";
// Inside the map's own document: a marker where the chart beside it points.
(() => {
  let marker = null;
  window.addEventListener("message", (event) => {
    if (event.origin !== window.location.origin || !window.gongcheMap) return;
    if (marker) marker.remove();
    marker = null;
    if (event.data.place) marker = L.circleMarker(event.data.place, { radius: 9, color: "#12233a", weight: 3, fillOpacity: 0.2 }).addTo(window.gongcheMap);
  });
})();
