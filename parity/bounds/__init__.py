"""An array comes in that knows its dtype, values go out with a bound on what any right evaluation may be off by."""
