"""What a learner wrote down in a TOML file, explained."""
