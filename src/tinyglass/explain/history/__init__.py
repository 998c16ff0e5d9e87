"""How a training moved, who moved it, and what it would be without one recording."""
