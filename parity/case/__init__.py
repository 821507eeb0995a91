"""A TOML file comes in, checked cells go out; and the list of divergences that are known."""
