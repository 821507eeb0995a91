"""The machine comes in; facts about it, processes that answer, and files that are whole go out."""
