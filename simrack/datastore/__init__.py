"""The rack's database for rehearsals: a real PostgreSQL whose rows are those of a snapshot.

Tables, rows and refusals are worked out without a database; `load` writes them, `server` runs one.
"""
