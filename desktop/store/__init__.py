"""The vault: one encrypted SQLite file. The only place for SQL; never Qt, the clock or words to show."""
