"""What a field survey has beside its photographs: tracks, clocks and parcels."""
