"""A TOML file comes in, checked cells go out, or what is wrong in which line; and known divergences."""
