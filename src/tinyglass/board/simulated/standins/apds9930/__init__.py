"""Stand-ins for the drivers in the kit's lib folder."""
