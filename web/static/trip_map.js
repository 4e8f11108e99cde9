"use strict";
// Inside the map's own document, before folium's script.

// A tooltip's content as text: names of zones and places are data.
function plainText(text) {
  const node = document.createElement("span");
  node.textContent = text;
  return node;
}

// The ground under the track, and a marker where the chart beside the map points.
function tripMap(map, baseMapUrl) {
  map.createPane("ground").style.zIndex = 250;
  const onGround = { pane: "ground", renderer: L.canvas({ pane: "ground" }), interactive: false };
  fetch(baseMapUrl).then((answer) => answer.json()).then((base) => {
    L.geoJSON(base.districts, { ...onGround, style: { color: "#8a94a0", weight: 1, fillColor: "#eef1f4", fillOpacity: 0.5 } }).addTo(map);
    if (base.streets) L.geoJSON(base.streets, { ...onGround, style: (street) => ({ color: "#c3cad2", weight: street.properties.class === "expressway" ? 2 : 0.7 }) }).addTo(map);
    document.documentElement.dataset.ground = "drawn";
  });
  // A frame of another size, on paper above all, shows the whole track again.
  const track = L.latLngBounds([]);
  map.eachLayer((layer) => { if (layer instanceof L.Polyline && !(layer instanceof L.Polygon)) track.extend(layer.getBounds()); });
  const whole = () => { if (track.isValid()) map.fitBounds(track, { padding: [24, 24], maxZoom: 16, animate: false }); };
  map.on("resize", whole);
  window.matchMedia("print").addEventListener("change", () => map.invalidateSize({ animate: false, debounceMoveend: false }));

  let marker = null;
  map.attributionControl.setPrefix("Leaflet");
  window.gongcheMap = map;
  window.addEventListener("message", (event) => {
    if (event.origin !== window.location.origin) return;
    if (marker) marker.remove();
    marker = null;
    if (event.data.place) marker = L.circleMarker(event.data.place, { radius: 9, color: "#12233a", weight: 3, fillOpacity: 0.2, className: "pointed-at" }).addTo(map);
  });
}
