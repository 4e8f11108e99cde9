"use strict";
// The live map: outlines once, vehicles by server-sent events.
(() => {
  const SILENT_S = 600;
  const element = document.getElementById("map");
  const state = document.getElementById("state");
  const search = document.getElementById("search");
  const plates = document.getElementById("plates");
  const map = L.map(element, { preferCanvas: true }).setView([23.13, 113.32], 10);
  const vehicles = new Map();
  if (element.dataset.tiles) L.tileLayer(element.dataset.tiles, { attribution: L.Util.template("{text}", { text: escaped(element.dataset.attribution) }) }).addTo(map);
  // A pane of its own under the vehicles, whichever of the two comes first.
  map.createPane("ground").style.zIndex = 350;
  const onGround = { pane: "ground", renderer: L.canvas({ pane: "ground" }), interactive: false };
  const cars = L.layerGroup().addTo(map);
  map.attributionControl.setPrefix("Leaflet");
  window.gongcheMap = map;
  window.gongcheVehicles = vehicles;

  fetch(element.dataset.ground).then((answer) => answer.json()).then((base) => {
    const districts = L.geoJSON(base.districts, { ...onGround, style: { color: "#8a94a0", weight: 1, fillColor: "#eef1f4", fillOpacity: 0.5 } }).addTo(map);
    if (base.streets) L.geoJSON(base.streets, { ...onGround, style: (street) => ({ color: "#c3cad2", weight: street.properties.class === "expressway" ? 2 : 0.7 }) }).addTo(map);
    if (!vehicles.size) map.fitBounds(districts.getBounds());
  });

  function escaped(text) {
    const node = document.createElement("span");
    node.textContent = text;
    return node.innerHTML;
  }

  function colour(vehicle) {
    if (Date.now() / 1000 - vehicle.received > SILENT_S) return "#98a2ae";
    return vehicle.kmh > 5 ? "#1b8a3c" : "#1d5fa8";
  }

  function label(vehicle) {
    const box = document.createElement("div");
    const plate = document.createElement("b");
    plate.textContent = vehicle.plate;
    const facts = document.createElement("div");
    facts.textContent = `${vehicle.kmh ?? "—"} km/h · ${vehicle.time}`;
    const link = document.createElement("a");
    link.href = `/vehicles/${vehicle.id}`;
    link.textContent = element.dataset.open;
    box.append(plate, facts, link);
    return box;
  }

  function show(vehicle) {
    let known = vehicles.get(vehicle.id);
    if (!known) {
      const marker = L.circleMarker([vehicle.lat, vehicle.lon], { radius: 6, color: "#ffffff", weight: 1.5, fillOpacity: 1 });
      known = { marker };
      marker.bindPopup(() => label(known.vehicle)).bindTooltip(() => escaped(known.vehicle.plate));
      marker.addTo(cars);
      vehicles.set(vehicle.id, known);
      const option = document.createElement("option");
      option.value = vehicle.plate;
      plates.append(option);
    }
    known.vehicle = vehicle;
    known.marker.setLatLng([vehicle.lat, vehicle.lon]);
    paint(known);
  }

  function paint(known) {
    known.marker.setStyle({ fillColor: colour(known.vehicle) });
  }

  function count() {
    const moving = [...vehicles.values()].filter((known) => colour(known.vehicle) === "#1b8a3c").length;
    state.textContent = state.dataset.live.replace("{seen}", vehicles.size).replace("{moving}", moving);
  }

  function listen() {
    const events = new EventSource("/api/live");
    events.onmessage = (event) => {
      JSON.parse(event.data).forEach(show);
      count();
    };
    events.onerror = () => {
      state.textContent = state.dataset.lost;
      // A browser tries again by itself unless the answer was a refusal, as it is while the service starts.
      if (events.readyState === EventSource.CLOSED) setTimeout(listen, 10000);
    };
  }
  listen();
  setInterval(() => vehicles.forEach(paint), 30000);

  search.addEventListener("change", () => {
    const wanted = search.value.trim().toUpperCase();
    const found = [...vehicles.values()].find((known) => wanted && known.vehicle.plate.toUpperCase().includes(wanted));
    if (found) {
      map.setView(found.marker.getLatLng(), 14);
      found.marker.openPopup();
    }
  });
})();
