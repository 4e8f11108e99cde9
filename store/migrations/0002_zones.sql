-- Circles, and zones of customers.
ALTER TABLE zone
    ADD COLUMN radius_m double precision CHECK (radius_m > 0),
    DROP CONSTRAINT zone_kind_check,
    ADD CONSTRAINT zone_kind_check CHECK (kind IN ('district', 'city', 'province', 'base', 'golf_course',
        'entertainment', 'bath_house', 'hotel', 'school', 'restaurant', 'residential', 'work_site', 'customer')),
    ADD CONSTRAINT zone_circle CHECK ((geometry ->> 'type' = 'Point') = (radius_m IS NOT NULL));
COMMENT ON COLUMN zone.kind IS 'What kind of place it is; golf courses, entertainment, bath houses, hotels, restaurants and schools (primary and secondary) are under strict control.';
COMMENT ON COLUMN zone.geometry IS 'GeoJSON in WGS-84: Polygon or MultiPolygon; Point for a circle, with radius_m.';
COMMENT ON COLUMN zone.radius_m IS 'Radius of a circle about a Point, metres on the ellipsoid; NULL for any other geometry.';
COMMENT ON COLUMN zone.valid_from IS 'The zone holds from here on; NULL: since ever.';
COMMENT ON COLUMN zone.valid_to IS 'The zone holds before this instant; NULL: for ever.';
