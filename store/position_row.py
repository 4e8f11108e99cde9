"""The columns of table `position` as they are sent by COPY: name → type; which of them are the key, which a terminal sent."""

KEY = {"vehicle_id": "int", "fix_time": "timestamptz"}
SENT = {
    "lat_e7": "int",
    "lon_e7": "int",
    "speed_mps": "real",
    "course_deg": "real",
    "odometer_m": "bigint",
    "fuel_l": "real",
    "altitude_m": "smallint",
    "satellites": "smallint",
    "status": "int",
}
ROW = {**KEY, **SENT, "received_at": "timestamptz"}
