"""Everything that can run an exported network: interpreters, compilers, simulated chips."""
