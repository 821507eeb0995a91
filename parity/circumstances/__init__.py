"""The machine comes in; facts about it, processes that answer or are ended, and files that are whole go out."""
