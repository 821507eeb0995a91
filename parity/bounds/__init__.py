"""Arrays come in that know their dtype; distances in ULP go out, and values with a bound on what rounding may do."""
