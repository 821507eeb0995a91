"""States of a run come in one by one and go out as blocks of columns in flat memory, or as recordings."""
