"""YAML becomes checked values here, or an error at `file:line` that says what was expected.

It refuses to guess: no unknown fields, no duplicate keys, no tags, no coercion between types, and no file that is
large, deep, or outside the workspace. It knows nothing of clusters, and neither does it resolve scopes: tables of
countries, checks and safety rules are handed in as a `Vocabulary`.
"""
